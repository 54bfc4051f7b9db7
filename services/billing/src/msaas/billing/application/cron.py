"""Periodic steps: they only append messages, and each is run by one replica at a time."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol

from msaas.billing.application.ports import Accounts, Inbox, Payments, StripeEvent
from msaas.billing.domain.stripe_events import SNAPSHOT_TYPES
from msaas.contracts import ApplyStripeEvent, Message, RefreshAccount, StripeEventReceived
from msaas.kernel import new_id
from msaas.telemetry import Metrics, get_logger

COMMANDS: Final = "billing.commands"
WEBHOOKS: Final = "billing.webhooks"
BATCH: Final = 500
BACKFILL: Final = "backfill"
BACKFILL_REACH: Final = timedelta(days=29)
"""Stripe lists the events of 30 days."""

OVERLAP: Final = timedelta(hours=1)
"""Events become visible in the list a little after their time."""

MAX_TYPES: Final = 20


class Publisher(Protocol):
    async def publish(self, topic: str, message: Message, *, correlation_id: str) -> str | None: ...


def claimed(
    inbox: Inbox, name: str, seconds: float, step: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """Run a step only in the replica that claims it; a replica that ends leaves it to the next."""

    async def run() -> None:
        if await inbox.claim_step(name, seconds):
            await step()

    return run


class DueEventsTask:
    """Asks again for events that were stored and not applied: their message may be lost."""

    def __init__(self, inbox: Inbox, publisher: Publisher) -> None:
        self._inbox = inbox
        self._publisher = publisher

    async def __call__(self) -> None:
        for event in await self._inbox.list_due(BATCH):
            message = ApplyStripeEvent(event_id=event.id)
            await self._publisher.publish(COMMANDS, message, correlation_id=event.correlation_id)


class DueAccountsTask:
    """Asks for accounts whose plan may change by time alone, such as at the end of a grace."""

    def __init__(self, accounts: Accounts, publisher: Publisher) -> None:
        self._accounts = accounts
        self._publisher = publisher

    async def __call__(self) -> None:
        for user_id in await self._accounts.list_due(BATCH):
            await self._publisher.publish(
                COMMANDS, RefreshAccount(user_id=user_id), correlation_id=str(new_id())
            )


class BackfillTask:
    """Compares all events since the watermark with the inbox, and appends those that it lacks.

    The watermark moves when nothing was missing, so that an appended event that is lost is found
    again in the next run.
    """

    def __init__(
        self, inbox: Inbox, payments: Payments, publisher: Publisher, metrics: Metrics
    ) -> None:
        self._inbox = inbox
        self._payments = payments
        self._publisher = publisher
        self._missed_total = metrics.counter(
            "billing_webhooks_missed_total", "Events that no webhook brought, found in the list."
        )
        self._log = get_logger()

    async def __call__(self) -> None:
        now = await self._inbox.get_now()
        reached = await self._inbox.get_watermark(BACKFILL) or now - BACKFILL_REACH
        since = max(reached - OVERLAP, now - BACKFILL_REACH)
        missing, types = 0, list(SNAPSHOT_TYPES[:MAX_TYPES])
        page: list[StripeEvent] = []
        async for event in self._payments.list_events(since, types):
            page.append(event)
            if len(page) == BATCH:
                missing += await self._append_missing(page)
                page.clear()
        missing += await self._append_missing(page)
        if missing == 0:
            await self._inbox.set_watermark(BACKFILL, now)
        else:
            self._log.warning("stripe_events_missed", events=missing)

    async def _append_missing(self, page: list[StripeEvent]) -> int:
        unknown = frozenset(await self._inbox.list_unknown([event.id for event in page]))
        for event in page:
            if event.id in unknown:
                await self._publisher.publish(
                    WEBHOOKS, _build_message(event), correlation_id=event.correlation_id
                )
        self._missed_total.inc(len(unknown))
        return len(unknown)


def _build_message(event: StripeEvent) -> StripeEventReceived:
    return StripeEventReceived(
        event_id=event.id,
        event_type=event.type,
        created=event.created,
        livemode=event.livemode,
        api_version=event.api_version,
        object_id=event.object_id,
        customer_id=event.customer_id,
        is_backfill=True,
        payload=None if event.payload is None else dict(event.payload),
    )
