"""What users do about their plan: checkout, portal, a change of plan, a spend limit."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msaas.billing.application.ports import Accounts, HostedPage, Payments, Request, Requests
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.checkout import ChangeKind, PlanChange, decide_change
from msaas.billing.domain.errors import (
    AlreadySubscribed,
    CatalogueMissing,
    PlanNotOnSale,
    StripeRefused,
    UserNotFound,
)
from msaas.billing.domain.subscriptions import find_granting, find_open
from msaas.contracts import ChangePlan, OpenCheckout, OpenPortal, Plan, SetSpendLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`account` is set where the command changed what other services know of it."""

    data: Mapping[str, Any]
    account: Account | None = None


class ManageSubscription:
    """A repeat with the same Idempotency-Key gives the first answer.

    A process that ends amid a command leaves its request open; the repeat calls Stripe with the
    same key, for which Stripe gives its first answer. A refused call frees the key: Stripe would
    repeat the refusal for it, so the next attempt gets another one.

    The first subscription of a user begins with a trial of `trial_days`, if there are any.
    """

    def __init__(
        self,
        accounts: Accounts,
        requests: Requests,
        payments: Payments,
        refresh: RefreshAccount,
        *,
        trial_days: int = 0,
    ) -> None:
        self._trial_days = trial_days
        self._accounts = accounts
        self._requests = requests
        self._payments = payments
        self._refresh = refresh

    async def open_checkout(self, command: OpenCheckout) -> Answer:
        if command.plan is Plan.FREE:
            raise PlanNotOnSale
        account = await self._ensure_account(command.user_id)
        content = f"{command.plan} {command.return_url}"
        request = await self._begin(account, "checkout", command.idempotency_key, content)
        if request.answer is not None:
            return Answer(data=request.answer)
        account = await self.ensure_customer(account)
        # Before the fetch, which sees what a checkout that is completed meanwhile has bought.
        await self._payments.expire_checkouts(str(account.customer_id), request.stripe_key)
        account = await self._refresh(account)
        subscriptions = await self._accounts.list_subscriptions(account.id)
        if find_granting(subscriptions):
            raise AlreadySubscribed
        prices = await self._accounts.get_prices()
        async with self._freed_when_refused(request):
            page = await self._payments.open_checkout(
                *(account, command.plan, prices, command.return_url, request.stripe_key),
                trial_days=0 if subscriptions else self._trial_days,
            )
        return await self._finish_page(request, page)

    async def open_portal(self, command: OpenPortal) -> Answer:
        account = await self._ensure_account(command.user_id)
        request = await self._begin(account, "portal", command.idempotency_key, command.return_url)
        if request.answer is not None:
            return Answer(data=request.answer)
        configuration_id = await self._accounts.find_portal_configuration()
        if configuration_id is None:
            raise CatalogueMissing
        account = await self.ensure_customer(account)
        async with self._freed_when_refused(request):
            page = await self._payments.open_portal(
                str(account.customer_id), configuration_id, command.return_url, request.stripe_key
            )
        return await self._finish_page(request, page)

    async def change_plan(self, command: ChangePlan) -> Answer:
        account = await self._ensure_account(command.user_id)
        request = await self._begin(account, "change_plan", command.idempotency_key, command.plan)
        if request.answer is not None:
            return Answer(data=request.answer)
        account = await self._refresh(account)
        subscription = find_open(await self._accounts.list_subscriptions(account.id))
        change = decide_change(subscription, command.plan)
        async with self._freed_when_refused(request):
            await self._apply_change(change, command.plan, request.stripe_key)
        account = await self._refresh(account)
        answer = {"change": change.kind.value, **describe(account)}
        await self._requests.finish(request.id, answer, change.subscription.id)
        return Answer(data=answer, account=account)

    async def set_spend_limit(self, command: SetSpendLimit) -> Answer:
        account = await self._ensure_account(command.user_id)
        content = str(command.amount)
        request = await self._begin(account, "spend_limit", command.idempotency_key, content)
        if request.answer is not None:
            return Answer(data=request.answer)
        answer = {"amount": command.amount}
        await self._requests.set_spend_limit(account, request.id, command.amount, answer)
        return Answer(data=answer, account=await self._accounts.find(user_id=command.user_id))

    async def ensure_customer(self, account: Account) -> Account:
        """Create the customer once: all who do it at once use one key, and one id is stored."""
        if account.customer_id is not None or account.user_id is None:
            return account
        key = f"customer:{account.id}"
        customer_id = await self._payments.create_customer(account.user_id, key)
        return await self._accounts.link_customer(account.id, customer_id)

    async def _ensure_account(self, user_id: UUID) -> Account:
        account = await self._accounts.ensure(user_id)
        if account is None:
            raise UserNotFound
        return account

    async def _begin(self, account: Account, kind: str, key: str, content: str) -> Request:
        fingerprint = hashlib.sha256(f"{kind} {content}".encode()).digest()
        return await self._requests.begin(account, kind, key, fingerprint)

    @asynccontextmanager
    async def _freed_when_refused(self, request: Request) -> AsyncGenerator[None]:
        try:
            yield
        except StripeRefused:
            await self._requests.free(request.id)
            raise

    async def _finish_page(self, request: Request, page: HostedPage) -> Answer:
        expires = page.expires_at.isoformat() if page.expires_at else None
        answer = {"url": page.url, "expires_at": expires}
        await self._requests.finish(request.id, answer, page.object_id)
        return Answer(data=answer)

    async def _apply_change(self, change: PlanChange, plan: Plan, key: str) -> None:
        prices = await self._accounts.get_prices()
        subscription = change.subscription
        steps: dict[ChangeKind, Callable[[], Awaitable[None]]] = {
            ChangeKind.UPGRADE: lambda: self._payments.upgrade(subscription, plan, prices, key),
            ChangeKind.DOWNGRADE: lambda: self._payments.schedule_downgrade(
                subscription, plan, prices, key
            ),
            ChangeKind.CANCEL: lambda: self._cancel(change, key),
            ChangeKind.KEEP: lambda: self._keep(change, key),
        }
        if change.kind in steps:
            await steps[change.kind]()

    async def _cancel(self, change: PlanChange, key: str) -> None:
        subscription = change.subscription
        if subscription.schedule_id:
            await self._payments.release_schedule(subscription.schedule_id, f"{key}:release")
        await self._payments.set_cancellation(subscription.id, key, at_period_end=True)

    async def _keep(self, change: PlanChange, key: str) -> None:
        subscription = change.subscription
        if subscription.schedule_id:
            await self._payments.release_schedule(subscription.schedule_id, f"{key}:release")
        if subscription.plan_after_period is Plan.FREE:
            await self._payments.set_cancellation(subscription.id, key, at_period_end=False)


def describe(account: Account) -> dict[str, Any]:
    """Describe the plan for the reply, in JSON."""
    state = account.state
    return {
        "plan": state.plan.value,
        "status": state.status,
        "period_end": state.period_end.isoformat() if state.period_end else None,
        "next_plan": state.next_plan.value if state.next_plan else None,
    }
