"""What every consumer of a work topic does: read, filter, extend leases, acknowledge, release."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

from msaas.contracts import (
    MAX_DATA,
    DecodeError,
    TopicKind,
    build_dead_letter,
    decode,
    is_reply_key,
)
from msaas.messaging.loop import BrokerLoop, ConsumerContext
from msaas.streams import (
    MAX_READ_BYTES,
    BrokerUnavailable,
    Delivery,
    GroupMissing,
    OutgoingMessage,
    RawEntry,
    StreamConsumer,
    Write,
    entry_timestamp_ms,
    is_dependency_failure,
)

FIRST_READ = MAX_READ_BYTES // MAX_DATA
MAX_RECLAIMED = 100
MAX_PUBLISHED = 500


class TopicConsumer(BrokerLoop):
    """One consumer of one work topic."""

    def __init__(self, context: ConsumerContext, topic: str) -> None:
        super().__init__(context, topic=topic)
        self.topic = context.get_readable_topic(topic, TopicKind.WORK)
        key = self.topic.key(context.environment, context.process)
        group = self.topic.group(context.process)
        self._consumer = StreamConsumer(key, group, context.consumer_name)
        self._in_flight: dict[str, Delivery] = {}
        self._group_ensured = False
        self._next_reclaim_at = 0.0
        self._read_limit = FIRST_READ
        self._has_more = False

    async def run(self) -> None:
        heartbeats = asyncio.create_task(self._extend_leases(), name=f"leases {self.topic.name}")
        try:
            await super().run()
            await self._finish_in_flight()
            with suppress(BrokerUnavailable):
                await self._broker.remove_consumer(self._consumer)
        finally:
            heartbeats.cancel()
            await asyncio.gather(heartbeats, return_exceptions=True)

    async def step(self) -> None:
        try:
            if not self._group_ensured:
                await self._broker.ensure_group(self._consumer)
                self._group_ensured = True
            await self._consume_once()
        except GroupMissing:
            # Redis was flushed or replaced: a new group starts at 0 and misses no new entry.
            self._log.warning("consumer_group_missing", key=self._consumer.key)
            self._group_ensured = False
            raise

    async def _recover(self, error: Exception, failures: int) -> None:
        if is_dependency_failure(error):
            # No consumer could extend its leases during the outage, so none is dead yet.
            self._next_reclaim_at = self._context.clock.monotonic() + self._timings.reclaim_after
        await super()._recover(error, failures)

    @abstractmethod
    async def _consume_once(self) -> None: ...

    async def _finish_in_flight(self) -> None:
        """Finish entries in flight once reading has stopped."""

    def _on_leases_lost(self, entry_ids: Iterable[str]) -> None:
        """Stop work on entries that another consumer has reclaimed."""

    async def _read(self, count: int, block: float | None = None) -> list[Delivery]:
        block = self._timings.block_timeout if block is None else block
        return await self._read_fitting(
            count, lambda limit: self._broker.read(self._consumer, limit, block)
        )

    async def _reclaim(self) -> list[Delivery]:
        """Take entries over from dead consumers; checked three times per `reclaim_after`."""
        now, in_flight = self._context.clock.monotonic(), frozenset(self._in_flight)
        if now < self._next_reclaim_at:
            return []
        idle = self._timings.reclaim_after
        found = await self._read_fitting(
            MAX_RECLAIMED,
            lambda limit: self._broker.reclaim(self._consumer, idle, limit, in_flight),
        )
        if not self._has_more:
            self._next_reclaim_at = now + self._timings.reclaim_interval
        return found

    async def _read_fitting(
        self, count: int, read: Callable[[int], Awaitable[list[RawEntry]]]
    ) -> list[Delivery]:
        """Read as many entries as a slow link carries in time, by the size of those before.

        An answer that comes too late leaves its entries pending for `reclaim_after`.
        """
        known_limit, self._read_limit, self._has_more = self._read_limit, FIRST_READ, False
        limit = min(count, known_limit)
        found = await read(limit)
        if total := sum(raw.size for raw in found):
            known_limit = max(1, min(2 * known_limit, MAX_READ_BYTES * len(found) // total))
        self._read_limit, self._has_more = known_limit, len(found) == limit
        return await self._filter_deliverable(found)

    async def _filter_deliverable(self, entries: Sequence[RawEntry]) -> list[Delivery]:
        """Return the entries that can be handled; dead-letter or drop the rest."""
        readable: list[Delivery] = []
        for raw in entries:
            try:
                entry = decode(self.topic, raw.fields)
            except DecodeError as error:
                await self._dead_letter(raw, error.reason, "poison")
                continue
            if entry.reply_to and not is_reply_key(self._context.environment, entry.reply_to):
                await self._dead_letter(raw, "reply_to names no reply stream", "poison")
            elif raw.delivery_count > self._timings.max_deliveries:
                await self._dead_letter(raw, "delivered too often", "transient")
            else:
                readable.append(Delivery(raw, entry))
        return await self._drop_expired(readable)

    async def _drop_expired(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Drop commands whose sender no longer waits, by Redis's clock.

        A command that was delivered before may be committed already, so its handler decides.
        """
        limits = {d.entry_id: d.entry.ttl_ms for d in deliveries if d.entry.ttl_ms is not None}
        if not limits:
            return deliveries
        now_ms = await self._retry_until_available(self._broker.now_ms)
        expired = {id_ for id_, ttl in limits.items() if entry_timestamp_ms(id_) + ttl <= now_ms}
        fresh = {d.entry_id for d in deliveries if d.entry_id in expired and not d.is_redelivery}
        if fresh:
            await self.ack_and_publish([], list(fresh), "expired")
        return [
            replace(delivery, has_expired=True) if delivery.entry_id in expired else delivery
            for delivery in deliveries
            if delivery.entry_id not in fresh
        ]

    async def ack_and_publish(
        self, outgoing: Sequence[OutgoingMessage], entry_ids: Sequence[str], outcome: str
    ) -> None:
        """Publish, and acknowledge with the last part; waits while Redis is unavailable."""
        commit, count = self._context.publisher.commit, MAX_PUBLISHED
        while len(outgoing) > count:
            await self._retry_until_available(partial(commit, outgoing[:count]))
            outgoing = outgoing[count:]
        await self._retry_until_available(partial(commit, outgoing, self._consumer, entry_ids))
        self._context.metrics.count(self.topic.name, outcome, len(entry_ids))

    async def _dead_letter(
        self, raw: RawEntry, error: str, kind: Literal["poison", "transient"]
    ) -> None:
        """Move an entry to the dead letter stream in the transaction that acknowledges it."""
        fields = build_dead_letter(
            self.topic,
            raw.fields,
            entry_id=raw.entry_id,
            error=error,
            kind=kind,
            deliveries=raw.delivery_count,
            at=self._context.clock.now(),
        )
        key_for = self.topic.poison_key if kind == "poison" else self.topic.dead_letter_key
        write = Write(key_for(self._context.environment, self._context.process), fields)
        append = partial(self._context.publisher.append, [write], self._consumer, [raw.entry_id])
        await self._retry_until_available(append)
        self._log.error("message_dead_lettered", entry_id=raw.entry_id, kind=kind, reason=error)
        self._context.metrics.count(self.topic.name, kind)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        with suppress(BrokerUnavailable):
            await self._broker.release(self._consumer, [delivery.raw for delivery in deliveries])
        self._context.metrics.count(self.topic.name, "released", len(deliveries))

    async def update_gauges(self) -> None:
        """Measure depth, lag, pending entries and dead letters of the topic."""
        if self._group_ensured:
            address = (self._context.environment, self._context.process)
            group = self._consumer.group
            stats = await self._broker.stats(self._consumer.key, group)
            dead = await self._broker.depth(self.topic.dead_letter_key(*address))
            dead += await self._broker.depth(self.topic.poison_key(*address))
            self._context.metrics.set_topic_gauges(self.topic.name, group, stats, dead)

    async def _extend_leases(self) -> None:
        interval = self._timings.heartbeat_interval
        while True:
            await self._context.clock.sleep(interval)
            if in_flight := list(self._in_flight):
                with suppress(BrokerUnavailable):
                    owned = await self._broker.extend_leases(self._consumer, in_flight, interval)
                    self._on_leases_lost(set(in_flight) - owned)
