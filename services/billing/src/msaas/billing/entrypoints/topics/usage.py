"""The topic usage.events: the entries of the usage chains of jobs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msaas.billing.application.reconciliation_ports import CountedUsage
from msaas.billing.domain.usage import UsageEvent, UsageKind
from msaas.contracts import UsageCounted, UsageNoted, UsageRecorded
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "usage.events"


class UsageHandler:
    """A whole batch is one transaction; reports are made later, by messages of their own."""

    def __init__(
        self,
        take: Callable[[Sequence[UsageEvent]], Awaitable[None]],
        take_counts: Callable[[Sequence[CountedUsage]], Awaitable[None]],
    ) -> None:
        self._take = take
        self._take_counts = take_counts

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        messages = [delivery.message for delivery in batch]
        counts = [message for message in messages if isinstance(message, UsageCounted)]
        entries = [message for message in messages if not isinstance(message, UsageCounted)]
        if entries:
            await self._take([read_event(message) for message in entries])
        if counted := [each for message in counts for each in read_counts(message)]:
            await self._take_counts(counted)
        return []


def read_counts(message: UsageCounted) -> list[CountedUsage]:
    return [
        CountedUsage(
            subject_id=message.subject_id,
            period_start=period.period_start,
            used=period.used,
            last_seq=message.last_seq,
            head=message.head,
        )
        for period in message.periods
    ]


def read_event(message: object) -> UsageEvent:
    match message:
        case UsageRecorded():
            return UsageEvent(
                subject_id=message.subject_id,
                seq=message.seq,
                kind=UsageKind.JOB_COMPLETED,
                job_id=message.job_id,
                quantity=message.quantity,
                plan=message.plan,
                occurred_at=message.occurred_at,
                period_start=message.period_start,
                prev_hash=message.prev_hash,
                hash=message.hash,
                user_id=message.user_id,
            )
        case UsageNoted():
            return UsageEvent(
                subject_id=message.subject_id,
                seq=message.seq,
                kind=message.kind,
                job_id=None,
                quantity=message.quantity,
                plan=None,
                occurred_at=message.occurred_at,
                period_start=message.period_start,
                prev_hash=message.prev_hash,
                hash=message.hash,
            )
        case other:
            raise TypeError(f"{TOPIC} does not carry {type(other).__name__}")
