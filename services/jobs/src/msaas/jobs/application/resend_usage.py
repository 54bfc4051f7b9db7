"""Publishes stored usage again, and what the counters hold, for a consumer that asks."""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

from msaas.contracts import CountUsage, ResendUsage, UsageCounted
from msaas.jobs.application.events import USAGE_TOPIC, build_usage_noted, build_usage_recorded
from msaas.jobs.application.results_ports import UsageToRepublish
from msaas.jobs.domain.ledgers import LinkedEntry
from msaas.kernel import new_id
from msaas.messaging import OutgoingMessage

MAX_ENTRIES: Final = 1_000
"""The consumer asks again for what is still missing."""


class UsageEntries(Protocol):
    async def count(self, subject_id: UUID) -> UsageCounted | None:
        """Count at one moment; None for an unknown subject."""
        ...

    async def list_entries(
        self, subject_id: UUID, first_seq: int, last_seq: int | None, limit: int
    ) -> Sequence[UsageToRepublish]: ...


class ResendEntries:
    def __init__(self, entries: UsageEntries) -> None:
        self._entries = entries

    async def count(self, command: CountUsage, correlation_id: str) -> list[OutgoingMessage]:
        counted = await self._entries.count(command.subject_id)
        if counted is None:
            return []
        return [
            OutgoingMessage(
                message=counted,
                topic=USAGE_TOPIC,
                id=new_id(),
                correlation_id=correlation_id,
            )
        ]

    async def __call__(self, command: ResendUsage) -> list[OutgoingMessage]:
        found = await self._entries.list_entries(
            command.subject_id, command.first_seq, command.last_seq, MAX_ENTRIES
        )
        return [_build(each) for each in found]


def _build(usage: UsageToRepublish) -> OutgoingMessage:
    if isinstance(usage.entry, LinkedEntry):
        return build_usage_noted(usage.entry, usage.correlation_id)
    return build_usage_recorded(usage.entry, usage.correlation_id)
