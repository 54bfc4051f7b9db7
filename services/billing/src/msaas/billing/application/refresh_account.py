"""Fetches what Stripe has for a customer, and stores the plan that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msaas.billing.application.ports import AccountFetch, Accounts, Payments
from msaas.billing.domain.accounts import Account, AccountState, build_change, decide_state
from msaas.billing.domain.errors import StripeObjectMissing
from msaas.billing.domain.subscriptions import Subscription
from msaas.contracts import SubscriptionChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReasons:
    """The events that led to a fetch, and what they are about besides the subscriptions."""

    event_ids: Sequence[str] = ()
    invoice_ids: Sequence[str] = ()
    is_disputed: bool = False
    is_customer_deleted: bool = False


class RefreshAccount:
    """Stripe decides: an event is only the hint to look, so duplicates and any order are safe."""

    def __init__(self, accounts: Accounts, payments: Payments, *, grace: timedelta) -> None:
        self._accounts = accounts
        self._payments = payments
        self._grace = grace

    async def __call__(self, account: Account, reasons: RefreshReasons | None = None) -> Account:
        reasons = reasons or RefreshReasons()
        prices = await self._accounts.get_prices()
        version = await self._accounts.next_version()  # before anything is fetched
        subscriptions: Sequence[Subscription] = []
        if account.customer_id is not None:
            try:
                subscriptions = await self._payments.list_subscriptions(account.customer_id, prices)
            except StripeObjectMissing:
                subscriptions = []  # the customer is deleted
        found = [
            await self._payments.get_invoice(id_) for id_ in dict.fromkeys(reasons.invoice_ids)
        ]
        return await self._accounts.store_fetch(
            AccountFetch(
                account_id=account.id,
                version=version,
                subscriptions=subscriptions,
                decide=self._decide,
                invoices=[invoice for invoice in found if invoice is not None],
                event_ids=reasons.event_ids,
                is_disputed=reasons.is_disputed,
                is_customer_deleted=reasons.is_customer_deleted,
            )
        )

    def build_change(self, account: Account, now: datetime) -> SubscriptionChanged | None:
        return build_change(account, now, self._grace)

    def _decide(
        self, before: AccountState, subscriptions: Sequence[Subscription], now: datetime
    ) -> AccountState:
        return decide_state(before, subscriptions, now, self._grace)
