"""A broker in memory with the behaviour of Redis, on a clock that the test controls."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from types import CoroutineType
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar

from msaas.kernel import Clock
from msaas.streams import CommitResult, GroupMissing, RawEntry, StreamConsumer, StreamStats, Write

T = TypeVar("T")
P = ParamSpec("P")

_RELEASED = -inf  # idle for longer than any `min_idle`


class _Id(NamedTuple):
    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self:
        ms, _, seq = text.partition("-")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


_START = _Id(0, 0)


@dataclass(slots=True)
class _PendingEntry:
    consumer: str
    since: float
    delivery_count: int


@dataclass(slots=True)
class _Group:
    last: _Id = _START
    pending: dict[_Id, _PendingEntry] = field(default_factory=dict[_Id, _PendingEntry])


@dataclass(slots=True)
class _Stream:
    entries: dict[_Id, Mapping[bytes, bytes]] = field(
        default_factory=dict[_Id, Mapping[bytes, bytes]]
    )
    groups: dict[str, _Group] = field(default_factory=dict[str, _Group])
    last: _Id = _START
    expires_at: float = inf

    def add(self, fields: Mapping[bytes, bytes], now_ms: int, entry_id: str | None = None) -> str:
        old = self.last
        following = _Id(now_ms, 0) if now_ms > old.ms else _Id(old.ms, old.seq + 1)
        chosen = _Id.parse(entry_id) if entry_id else following
        if chosen <= old:
            return ""
        self.last = chosen
        self.entries[self.last] = dict(fields)
        return str(self.last)

    def trim(self, oldest_ms: float) -> None:
        for entry_id in [id_ for id_ in self.entries if id_.ms < oldest_ms]:
            del self.entries[entry_id]

    def after(self, position: _Id, count: int) -> list[_Id]:
        return [entry_id for entry_id in self.entries if entry_id > position][:count]

    def raw(self, entry_id: _Id, delivery_count: int = 1) -> RawEntry:
        return RawEntry(str(entry_id), self.entries[entry_id], delivery_count)


def _remote(
    call: Callable[Concatenate[MemoryBroker, P], Awaitable[T]],
) -> Callable[Concatenate[MemoryBroker, P], CoroutineType[Any, Any, T]]:
    """Let a method take a round trip before it acts, as a call to a server does."""

    @functools.wraps(call)
    async def called(broker: MemoryBroker, *args: P.args, **kwargs: P.kwargs) -> T:
        await broker.simulate_round_trip()
        return await call(broker, *args, **kwargs)

    return called


class MemoryBroker:
    """Implements streams.Broker; one behaviour suite runs against it and against Redis."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._epochs: dict[str, str] = {}
        self._markers: dict[str, float] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    def flush(self) -> None:
        """Delete everything, as FLUSHALL or a replaced server does."""
        self._streams.clear()
        self._epochs.clear()
        self._markers.clear()
        self._claims.clear()
        self._notify_readers()

    def fail_with(self, error: Exception | None) -> None:
        """Raise `error` from every call, until called again with None."""
        self._failure = error
        self._notify_readers()

    @_remote
    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        entry_ids = [self._append(write) for write in writes]
        if consumer is not None:
            self._ack(consumer, [_Id.parse(entry_id) for entry_id in acked_ids])
        bounded = dict.fromkeys(write.key for write in writes if write.bounded)
        self._notify_readers()
        return CommitResult(entry_ids, {key: self._depth(key) for key in bounded})

    @_remote
    async def ensure_group(self, consumer: StreamConsumer) -> None:
        self._get_or_create_stream(consumer.key).groups.setdefault(consumer.group, _Group())

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        def take() -> list[RawEntry]:
            stream, group = self._get_group(consumer.key, consumer.group)
            found = stream.after(group.last, count)
            for entry_id in found:
                group.last = entry_id
                group.pending[entry_id] = _PendingEntry(consumer.name, self._clock.monotonic(), 1)
            return [stream.raw(entry_id) for entry_id in found]

        return await self._poll_until(block, take)

    @_remote
    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        stream, group = self._get_group(consumer.key, consumer.group)
        now = self._clock.monotonic()
        idle = [id_ for id_, taken in group.pending.items() if now - taken.since >= min_idle]
        entry_ids = [id_ for id_ in sorted(idle) if str(id_) not in skip][:count]
        return [
            stream.raw(entry_id, self._claim(group, entry_id, consumer.name))
            for entry_id in _drop_deleted(stream, group, entry_ids)
        ]

    @_remote
    async def find_oldest_pending(
        self, consumer: StreamConsumer, up_to: str, skip: frozenset[str]
    ) -> str | None:
        _, group = self._get_group(consumer.key, consumer.group)
        last = _Id.parse(up_to)
        ids = (str(id_) for id_ in sorted(group.pending) if id_ <= last)
        return next((id_ for id_ in ids if id_ not in skip), None)

    @_remote
    async def extend_leases(
        self, consumer: StreamConsumer, entry_ids: Sequence[str], heartbeat_interval: float
    ) -> frozenset[str]:
        try:
            stream, group = self._get_group(consumer.key, consumer.group)
        except GroupMissing:
            return frozenset()
        now = self._clock.monotonic()
        pending = {entry_id: group.pending.get(_Id.parse(entry_id)) for entry_id in entry_ids}
        owned = {id_: t for id_, t in pending.items() if t and t.consumer == consumer.name}
        for taken in owned.values():
            taken.since = now if now - taken.since >= heartbeat_interval / 2 else taken.since
        _drop_deleted(stream, group, [_Id.parse(id_) for id_ in owned])
        return frozenset(owned)

    @_remote
    async def release(self, consumer: StreamConsumer, entries: Sequence[RawEntry]) -> None:
        _, group = self._get_group(consumer.key, consumer.group)
        for entry in entries:
            if taken := group.pending.get(_Id.parse(entry.entry_id)):
                taken.consumer = consumer.name
                taken.since, taken.delivery_count = _RELEASED, entry.delivery_count - 1

    @_remote
    async def remove_consumer(self, consumer: StreamConsumer) -> None:
        self._get_group(consumer.key, consumer.group)  # consumers are only names here

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]:
        def poll() -> dict[str, list[RawEntry]]:
            found: dict[str, list[RawEntry]] = {}
            for key, position in positions.items():
                if stream := self._find(key):
                    entry_ids = stream.after(_Id.parse(position), count)
                    found |= {key: [stream.raw(id_) for id_ in entry_ids]} if entry_ids else {}
            return found

        return await self._poll_until(block, poll)

    @_remote
    async def peek(self, key: str, count: int) -> list[RawEntry]:
        stream = self._find(key)
        return [stream.raw(id_) for id_ in stream.after(_START, count)] if stream else []

    @_remote
    async def last_id(self, key: str) -> str:
        stream = self._find(key)
        return str(max(stream.entries, default=_START) if stream else _START)

    @_remote
    async def last_generated_id(self, key: str) -> str:
        stream = self._find(key)
        return str(stream.last if stream else _START)

    @_remote
    async def depth(self, key: str) -> int:
        return self._depth(key)

    @_remote
    async def stats(self, key: str, group: str) -> StreamStats:
        stream, found = self._get_group(key, group)
        oldest = min(found.pending, default=None)
        age_ms = self._now_ms() - oldest.ms if oldest else 0
        lag = len(stream.after(found.last, len(stream.entries)))
        return StreamStats(len(stream.entries), lag, len(found.pending), max(0, age_ms) / 1e3)

    @_remote
    async def now_ms(self) -> int:
        return self._now_ms()

    @_remote
    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        stream = self._find(key)
        kept = stream.entries if stream else {}
        return frozenset(id_ for id_ in entry_ids if _Id.parse(id_) in kept)

    @_remote
    async def delete(self, key: str, entry_ids: Sequence[str]) -> None:
        if stream := self._find(key):
            for entry_id in entry_ids:
                stream.entries.pop(_Id.parse(entry_id), None)

    @_remote
    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        self._markers |= dict.fromkeys(keys, self._clock.monotonic() + ttl.total_seconds())

    @_remote
    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]:
        now = self._clock.monotonic()
        return frozenset(key for key in keys if self._markers.get(key, now) > now)

    @_remote
    async def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        now = self._clock.monotonic()
        holder, until = self._claims.get(key, (owner, 0.0))
        if until <= now:
            holder = owner
            self._claims[key] = owner, now + ttl.total_seconds()
        return holder == owner

    @_remote
    async def epoch(self, key: str, initial: str | None = None) -> str | None:
        if initial is not None:
            self._epochs.setdefault(key, initial)
        return self._epochs.get(key)

    async def simulate_round_trip(self) -> None:
        """Let other tasks run, and raise the error set by `fail_with`."""
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure

    async def _poll_until(self, block: float, poll: Callable[[], T]) -> T:
        await self.simulate_round_trip()
        if (found := poll()) or not block:
            return found
        rest = asyncio.ensure_future(self._clock.sleep(block))
        try:
            while not (found := poll()) and not rest.done():
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait({rest, changed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                await self.simulate_round_trip()
        finally:
            rest.cancel()
        return found

    def _notify_readers(self) -> None:
        """Wake every blocked reader."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _find(self, key: str) -> _Stream | None:
        stream = self._streams.get(key)
        if stream is not None and stream.expires_at <= self._clock.monotonic():
            del self._streams[key]
            return None
        return stream

    def _get_or_create_stream(self, key: str) -> _Stream:
        return self._find(key) or self._streams.setdefault(key, _Stream())

    def _get_group(self, key: str, group: str) -> tuple[_Stream, _Group]:
        stream = self._find(key)
        if stream is None or group not in stream.groups:
            raise GroupMissing(target="memory")
        return stream, stream.groups[group]

    def _append(self, write: Write) -> str:
        stream, now_ms = self._get_or_create_stream(write.key), self._now_ms()
        entry_id = stream.add(write.fields, now_ms, write.entry_id)
        retention_seconds = write.retention.total_seconds() if write.retention else 1
        if write.retention:
            stream.trim(now_ms - retention_seconds * 1000)
        if write.expires:
            stream.expires_at = self._clock.monotonic() + retention_seconds
        return entry_id

    def _ack(self, consumer: StreamConsumer, acked_ids: Iterable[_Id]) -> None:
        if stream := self._find(consumer.key):
            group = stream.groups.get(consumer.group, _Group())
            for entry_id in acked_ids:
                group.pending.pop(entry_id, None)
                stream.entries.pop(entry_id, None)

    def _claim(self, group: _Group, entry_id: _Id, consumer: str) -> int:
        deliveries = group.pending[entry_id].delivery_count + 1
        group.pending[entry_id] = _PendingEntry(consumer, self._clock.monotonic(), deliveries)
        return deliveries

    def _depth(self, key: str) -> int:
        stream = self._find(key)
        return len(stream.entries) if stream else 0


def _drop_deleted(stream: _Stream, group: _Group, entry_ids: Sequence[_Id]) -> list[_Id]:
    """Drop entries that were deleted while pending."""
    gone = [entry_id for entry_id in entry_ids if entry_id not in stream.entries]
    for entry_id in gone:
        del group.pending[entry_id]
    return [entry_id for entry_id in entry_ids if entry_id in stream.entries]
