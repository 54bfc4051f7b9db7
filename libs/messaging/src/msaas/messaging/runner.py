"""What every consumer of a work topic does: read, sort out, keep hold, settle, hand back."""

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal

from msaas.contracts import TopicKind, Unreadable, dead_letter, decode, is_reply_key
from msaas.messaging.loop import Loop, Station
from msaas.streams import (
    Delivery,
    GroupMissing,
    Outgoing,
    RawEntry,
    Source,
    WireUnavailable,
    Write,
    entry_ms,
    is_dependency_failure,
)

MOST_RECLAIMED = 100


class Runner(Loop):
    """One consumer of one work topic."""

    def __init__(self, station: Station, topic: str) -> None:
        super().__init__(station, topic=topic)
        self.topic = station.get_topic_to_read(topic, TopicKind.WORK)
        key = self.topic.key(station.environment, station.process)
        self._source = Source(key, self.topic.group(station.process), station.consumer)
        self._held: dict[str, Delivery] = {}
        self._grouped = False
        self._reclaim_at = 0.0

    async def run(self) -> None:
        beating = asyncio.create_task(self._keep_hold(), name=f"beat {self._source.key}")
        try:
            await super().run()
            await self._finish()
            with suppress(WireUnavailable):
                await self._wire.leave(self._source)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def step(self) -> None:
        try:
            if not self._grouped:
                await self._wire.ensure_group(self._source)
                self._grouped = True
            await self._round()
        except GroupMissing:
            # Flushed or replaced: a new group starts at 0, so nothing written since is missed.
            self._log.warning("consumer_group_missing", key=self._source.key)
            self._grouped = False
            raise

    async def _recover(self, error: Exception, failures: int) -> None:
        if is_dependency_failure(error):
            # Nobody could beat while the wire was away: silence says nothing for a while.
            self._reclaim_at = self._station.clock.monotonic() + self._pace.idle
        await super()._recover(error, failures)

    @abstractmethod
    async def _round(self) -> None: ...

    async def _finish(self) -> None:
        """End what is in hand once reading has stopped."""

    def _lose(self, entry_ids: Iterable[str]) -> None:
        """Give up entries that a peer has taken over."""

    async def _read(self, count: int, block: float | None = None) -> list[Delivery]:
        block = self._pace.block if block is None else block
        found = await self._wire.read(self._source, count, block)
        return await self._sort_out(found)

    async def _reclaim(self) -> list[Delivery]:
        """Take over from silent consumers; looks three times in the idle time, or while many."""
        now, held = self._station.clock.monotonic(), frozenset(self._held)
        if now < self._reclaim_at:
            return []
        idle = self._pace.idle
        found = await self._wire.reclaim(self._source, idle, MOST_RECLAIMED, held)
        if len(found) < MOST_RECLAIMED:
            self._reclaim_at = now + idle / 3
        return await self._sort_out(found)

    async def _sort_out(self, entries: Sequence[RawEntry]) -> list[Delivery]:
        """Keep what can be handled; quarantine, dead-letter or drop the rest."""
        readable: list[Delivery] = []
        for raw in entries:
            try:
                entry = decode(self.topic, raw.fields)
            except Unreadable as error:
                await self._bury(raw, error.reason, "poison")
                continue
            if entry.reply_to and not is_reply_key(self._station.environment, entry.reply_to):
                await self._bury(raw, "reply_to names no reply stream", "poison")
            elif raw.deliveries > self._pace.deliveries:
                await self._bury(raw, "delivered too often", "transient")
            else:
                readable.append(Delivery(raw, entry))
        return await self._drop_expired(readable)

    async def _drop_expired(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Leave commands unexecuted whose sender no longer waits, by the wire's own clock.

        One that was delivered before may be committed and unpublished: only its handler can tell.
        """
        fresh = [delivery for delivery in deliveries if delivery.raw.deliveries == 1]
        limits = {d.entry_id: d.entry.ttl_ms for d in fresh if d.entry.ttl_ms is not None}
        if not limits:
            return deliveries
        now_ms = await self._insist(self._wire.now_ms)
        expired = {id_ for id_, ttl_ms in limits.items() if entry_ms(id_) + ttl_ms <= now_ms}
        if expired:
            await self._settle([], list(expired), "expired")
        return [delivery for delivery in deliveries if delivery.entry_id not in expired]

    async def _settle(
        self, outgoing: Sequence[Outgoing], entry_ids: Sequence[str], outcome: str
    ) -> None:
        """Publish and acknowledge in one transaction, however long the wire is away."""
        await self._insist(lambda: self._station.outbox.commit(outgoing, self._source, entry_ids))
        self._station.meter.count(self.topic.name, outcome, len(entry_ids))

    async def _bury(self, raw: RawEntry, error: str, kind: Literal["poison", "transient"]) -> None:
        """Move an entry to its dead letters in the transaction that acknowledges it."""
        fields = dead_letter(
            self.topic,
            raw.fields,
            entry_id=raw.entry_id,
            error=error,
            kind=kind,
            deliveries=raw.deliveries,
            at=self._station.clock.now(),
        )
        key_for = self.topic.poison_key if kind == "poison" else self.topic.dead_letter_key
        letter = Write(key_for(self._station.environment, self._station.process), fields)
        outbox = self._station.outbox
        await self._insist(lambda: outbox.append([letter], self._source, [raw.entry_id]))
        self._log.error("message_dead_lettered", entry_id=raw.entry_id, kind=kind, reason=error)
        self._station.meter.count(self.topic.name, kind)

    async def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        with suppress(WireUnavailable):
            await self._wire.hand_back(self._source, [delivery.raw for delivery in deliveries])
        self._station.meter.count(self.topic.name, "handed_back", len(deliveries))

    async def _keep_hold(self) -> None:
        while True:
            await self._station.clock.sleep(self._pace.beat)
            if held := list(self._held):
                with suppress(WireUnavailable):
                    ours = await self._wire.hold(self._source, held, self._pace.beat)
                    self._lose(entry_id for entry_id in held if entry_id not in ours)
