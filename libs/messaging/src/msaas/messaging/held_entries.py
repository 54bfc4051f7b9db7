"""Entries that are handled after everything older, also after what other consumers have read."""

from collections.abc import Callable, Iterable
from typing import Final

from msaas.streams import Broker, Delivery, StreamConsumer, entry_position

WaitsForOlder = Callable[[Delivery], bool]

HELD_RECHECK_INTERVAL: Final = 0.1
MAX_HELD: Final = 1_000
"""So many held entries stop the reading of new ones; reclaiming, which frees them, goes on."""


class HeldEntries:
    """The ids of the entries in hand that wait until no older one of the group is pending."""

    def __init__(
        self, broker: Broker, consumer: StreamConsumer, waits_for_older: WaitsForOlder
    ) -> None:
        self._broker, self._consumer = broker, consumer
        self._waits_for_older = waits_for_older
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._ids

    @property
    def are_too_many(self) -> bool:
        return len(self._ids) >= MAX_HELD

    def hold(self, deliveries: Iterable[Delivery]) -> None:
        """Hold those that wait for older entries."""
        self._ids |= {each.entry_id for each in deliveries if self._waits_for_older(each)}

    def forget(self, entry_ids: Iterable[str]) -> None:
        self._ids.difference_update(entry_ids)

    async def find_ready(self) -> frozenset[str]:
        """Return what no older entry is pending before, in whose hands it may be.

        Older entries have all been read, so none can become pending after this look.
        """
        held = frozenset(self._ids)
        if not held:
            return held
        newest = max(held, key=entry_position)
        oldest = await self._broker.find_oldest_pending(self._consumer, newest, held)
        if oldest is None:
            return held
        first = entry_position(oldest)
        return frozenset(entry_id for entry_id in held if entry_position(entry_id) < first)
