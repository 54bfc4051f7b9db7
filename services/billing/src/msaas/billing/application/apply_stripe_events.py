"""Applies stored events of Stripe, each once; the events of one customer share one fetch."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msaas.billing.application.ports import Accounts, Inbox, Payments, StripeEvent
from msaas.billing.application.refresh_account import RefreshAccount, RefreshReasons
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.stripe_events import ACTIONS, EventAction, EventState
from msaas.kernel import DependencyUnavailable, RetryPolicy
from msaas.postgres import TransactionConflict
from msaas.telemetry import Metrics, get_logger, span

MAX_ATTEMPTS: Final = 5
CONCURRENT_CUSTOMERS: Final = 8
RETRY: Final = RetryPolicy(base=2.0, cap=300.0, attempts=None)


class ApplyStripeEvents:
    """Returns the accounts whose present state is to be published.

    An event that cannot be applied is tried again later, and never fails the others. It is given up
    after five attempts, of which those do not count that found a dependency unavailable.
    """

    def __init__(
        self,
        inbox: Inbox,
        accounts: Accounts,
        payments: Payments,
        refresh: RefreshAccount,
        *,
        metrics: Metrics,
        livemode: bool,
    ) -> None:
        self._inbox = inbox
        self._accounts = accounts
        self._payments = payments
        self._refresh = refresh
        self._livemode = livemode
        self._log = get_logger()
        self._applied_total = metrics.counter(
            "billing_webhook_processing_total", "Events of Stripe handled.", ("type", "outcome")
        )
        self._seconds = metrics.histogram(
            "billing_webhook_processing_seconds", "Time to apply the events of a customer."
        )
        self._lag = metrics.histogram(
            "billing_webhook_lag_seconds",
            "Time from an event at Stripe until it is applied.",
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400),
        )

    async def __call__(self, event_ids: Sequence[str]) -> list[Account]:
        events = await self._inbox.find(list(dict.fromkeys(event_ids)))
        groups = await self._group(events)
        slots = asyncio.Semaphore(CONCURRENT_CUSTOMERS)

        async def run(customer_id: str, group: Sequence[StripeEvent]) -> Account | None:
            async with slots:
                return await self._apply_group(customer_id, group)

        found = await asyncio.gather(*(run(*each) for each in groups.items()))
        return [account for account in found if account is not None]

    async def _group(self, events: Sequence[StripeEvent]) -> Mapping[str, list[StripeEvent]]:
        """Group by customer what is about one; end at once what needs no fetch of a customer."""
        groups: dict[str, list[StripeEvent]] = defaultdict(list)
        for event in events:
            if event.state not in {EventState.RECEIVED, EventState.APPLIED}:
                continue
            try:
                customer_id = await self._find_customer(event)
            except Exception as error:  # noqa: BLE001  # one event never fails the others
                await self._postpone(event, error)
                continue
            if customer_id is not None:
                groups[customer_id].append(event)
        return groups

    async def _find_customer(self, event: StripeEvent) -> str | None:
        """Return the customer to refresh; None where the event is done."""
        action = ACTIONS.get(event.type)
        if event.livemode != self._livemode:
            return await self._ignore(event, "wrong_livemode")
        match action:
            case None:
                return await self._ignore(event, "unknown_type")
            case EventAction.METER_ERRORS:
                await self._reject_reports(event)
                return None
            case EventAction.DISPUTE:
                charge_id = _read_charge(event.payload)
                customer_id = charge_id and await self._payments.find_customer_of_charge(charge_id)
            case EventAction.REFRESH | EventAction.INVOICE:
                customer_id = event.customer_id
        return customer_id or await self._ignore(event, "no_customer")

    async def _reject_reports(self, event: StripeEvent) -> None:
        if event.state is EventState.APPLIED:
            return
        report = await self._payments.get_meter_errors(event.id)
        await self._inbox.reject_reports(report.identifiers)
        await self._inbox.finish(event.id, EventState.APPLIED, "applied")
        self._count(event, "applied")
        self._log.error("meter_events_refused", event_id=event.id, codes=dict(report.codes))

    async def _ignore(self, event: StripeEvent, outcome: str) -> None:
        if event.state is EventState.RECEIVED:
            await self._inbox.finish(event.id, EventState.IGNORED, outcome)
            self._count(event, outcome)

    async def _apply_group(self, customer_id: str, events: Sequence[StripeEvent]) -> Account | None:
        pending = [event for event in events if event.state is EventState.RECEIVED]
        traceparent = next((event.traceparent for event in events if event.traceparent), None)
        try:
            with (
                self._seconds.time(),
                span("billing.webhook.apply", traceparent=traceparent, events=len(events)),
            ):
                account = await self._find_account(customer_id)
                if account is None:
                    for event in pending:
                        await self._ignore(event, "unknown_customer")
                    return None
                if not pending:
                    return account  # a redelivery publishes the present state
                account = await self._refresh(account, _build_reasons(pending))
        except Exception as error:  # noqa: BLE001  # the events of one customer never fail others
            for event in pending:
                await self._postpone(event, error)
            return None
        now = datetime.now(UTC)
        for event in pending:
            self._count(event, "applied")
            self._lag.observe(max(0.0, (now - event.created).total_seconds()))
        return account

    async def _find_account(self, customer_id: str) -> Account | None:
        """Find the account, also one whose process ended before it stored the customer's id."""
        account = await self._accounts.find(customer_id=customer_id)
        if account is not None:
            return account
        customer = await self._payments.find_customer(customer_id)
        if customer is None or customer.user_id is None or customer.is_deleted:
            return None
        account = await self._accounts.find(user_id=customer.user_id)
        if account is None or account.customer_id is not None:
            return None
        linked = await self._accounts.link_customer(account.id, customer_id)
        return linked if linked.customer_id == customer_id else None

    async def _postpone(self, event: StripeEvent, error: Exception) -> None:
        counts = not isinstance(error, DependencyUnavailable | TransactionConflict)
        log = self._log.bind(event_id=event.id, event_type=event.type, attempts=event.attempts + 1)
        name = type(error).__name__
        if counts and event.attempts + 1 >= MAX_ATTEMPTS:
            await self._inbox.finish(event.id, EventState.DEAD, name)
            self._count(event, "dead")
            log.error("stripe_event_given_up", exc_info=error)
            return
        await self._inbox.postpone(event.id, name, RETRY.delay(event.attempts + 1))
        self._count(event, "postponed")
        log.warning("stripe_event_postponed", error=name, exc_info=error if counts else None)

    def _count(self, event: StripeEvent, outcome: str) -> None:
        kind = event.type if event.type in ACTIONS else "other"
        self._applied_total.labels(kind, outcome).inc()


def _build_reasons(events: Sequence[StripeEvent]) -> RefreshReasons:
    actions = {event.id: ACTIONS[event.type] for event in events}
    return RefreshReasons(
        event_ids=[event.id for event in events],
        invoice_ids=[
            event.object_id
            for event in events
            if event.object_id and actions[event.id] is EventAction.INVOICE
        ],
        is_disputed=EventAction.DISPUTE in actions.values(),
        is_customer_deleted=any(event.type == "customer.deleted" for event in events),
    )


def _read_charge(payload: Mapping[str, Any] | None) -> str | None:
    """Read the charge of a dispute, which names no customer."""
    data = (payload or {}).get("data")
    about = data.get("object") if isinstance(data, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    charge = about.get("charge") if isinstance(about, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(charge, Mapping):
        charge = charge.get("id")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return charge if isinstance(charge, str) else None
