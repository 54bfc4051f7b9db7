"""The message wire in memory: what Redis does, on a clock that the test owns."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import NamedTuple, Self, TypeVar

from msaas.kernel import Clock
from msaas.streams import Committed, GroupMissing, RawEntry, Source, StreamStats, Write

T = TypeVar("T")

_HANDED_BACK = -inf  # silent for longer than anybody can ask for


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
class _Taken:
    consumer: str
    since: float
    deliveries: int


@dataclass(slots=True)
class _Group:
    last: _Id = _START
    pending: dict[_Id, _Taken] = field(default_factory=dict[_Id, _Taken])


@dataclass(slots=True)
class _Stream:
    entries: dict[_Id, Mapping[bytes, bytes]] = field(
        default_factory=dict[_Id, Mapping[bytes, bytes]]
    )
    groups: dict[str, _Group] = field(default_factory=dict[str, _Group])
    last: _Id = _START
    ends: float = inf

    def add(self, fields: Mapping[bytes, bytes], now_ms: int) -> str:
        old = self.last
        self.last = _Id(now_ms, 0) if now_ms > old.ms else _Id(old.ms, old.seq + 1)
        self.entries[self.last] = dict(fields)
        return str(self.last)

    def trim(self, oldest_ms: float) -> None:
        for entry_id in [one for one in self.entries if one.ms < oldest_ms]:
            del self.entries[entry_id]

    def after(self, position: _Id, count: int) -> list[_Id]:
        return [entry_id for entry_id in self.entries if entry_id > position][:count]

    def raw(self, entry_id: _Id, deliveries: int = 1) -> RawEntry:
        return RawEntry(str(entry_id), self.entries[entry_id], deliveries)


class MemoryWire:
    """Implements messaging.Wire; the behaviour suite of messaging holds it to what Redis does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._epochs: dict[str, str] = {}
        self._marks: dict[str, float] = {}
        self._failure: Exception | None = None
        self._stirred = asyncio.Event()

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does, or a server that was replaced by an empty one."""
        self._streams.clear()
        self._epochs.clear()
        self._marks.clear()
        self._stir()

    def fail_with(self, error: Exception | None) -> None:
        """Raise `error` from every call, until called again with None."""
        self._failure = error
        self._stir()

    async def commit(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Committed:
        await self._reach()
        entry_ids = [self._append(write) for write in writes]
        if source is not None:
            self._settle(source, [_Id.parse(entry_id) for entry_id in done])
        bounded = dict.fromkeys(write.key for write in writes if write.bounded)
        self._stir()
        return Committed(entry_ids, {key: self._depth(key) for key in bounded})

    async def ensure_group(self, source: Source) -> None:
        await self._reach()
        self._made(source.key).groups.setdefault(source.group, _Group())

    async def read(self, source: Source, count: int, block: float) -> list[RawEntry]:
        def take() -> list[RawEntry]:
            stream, group = self._at(source.key, source.group)
            found = stream.after(group.last, count)
            for entry_id in found:
                group.last = entry_id
                group.pending[entry_id] = _Taken(source.consumer, self._clock.monotonic(), 1)
            return [stream.raw(entry_id) for entry_id in found]

        return await self._within(block, take)

    async def reclaim(
        self, source: Source, min_idle: float, count: int, skip: frozenset[str] = frozenset()
    ) -> list[RawEntry]:
        await self._reach()
        stream, group = self._at(source.key, source.group)
        now = self._clock.monotonic()
        silent = [one for one, taken in group.pending.items() if now - taken.since >= min_idle]
        wanted = [one for one in sorted(silent) if str(one) not in skip][:count]
        return [
            stream.raw(entry_id, self._take_over(group, entry_id, source.consumer))
            for entry_id in _remaining(stream, group, wanted)
        ]

    async def hold(self, source: Source, entry_ids: Sequence[str], beat: float) -> frozenset[str]:
        await self._reach()
        try:
            stream, group = self._at(source.key, source.group)
        except GroupMissing:
            return frozenset()
        now = self._clock.monotonic()
        ours = {entry_id: group.pending.get(_Id.parse(entry_id)) for entry_id in entry_ids}
        held = {one: t for one, t in ours.items() if t and t.consumer == source.consumer}
        for taken in held.values():
            taken.since = now if now - taken.since >= beat / 2 else taken.since
        _remaining(stream, group, [_Id.parse(one) for one in held])
        return frozenset(held)

    async def hand_back(self, source: Source, entries: Sequence[RawEntry]) -> None:
        await self._reach()
        _, group = self._at(source.key, source.group)
        for entry in entries:
            if taken := group.pending.get(_Id.parse(entry.entry_id)):
                taken.consumer = source.consumer
                taken.since, taken.deliveries = _HANDED_BACK, entry.deliveries - 1

    async def leave(self, source: Source) -> None:
        await self._reach()
        self._at(source.key, source.group)  # consumers are no more than names here

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]:
        def look() -> dict[str, list[RawEntry]]:
            found: dict[str, list[RawEntry]] = {}
            for key, position in positions.items():
                if stream := self._find(key):
                    entry_ids = stream.after(_Id.parse(position), count)
                    found |= {key: [stream.raw(one) for one in entry_ids]} if entry_ids else {}
            return found

        return await self._within(block, look)

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        await self._reach()
        stream = self._find(key)
        return [stream.raw(one) for one in stream.after(_START, count)] if stream else []

    async def last_id(self, key: str) -> str:
        await self._reach()
        stream = self._find(key)
        return str(max(stream.entries, default=_START) if stream else _START)

    async def depth(self, key: str) -> int:
        await self._reach()
        return self._depth(key)

    async def stats(self, key: str, group: str) -> StreamStats:
        await self._reach()
        stream, found = self._at(key, group)
        oldest = min(found.pending, default=None)
        age_ms = self._now_ms() - oldest.ms if oldest else 0
        lag = len(stream.after(found.last, len(stream.entries)))
        return StreamStats(len(stream.entries), lag, len(found.pending), max(0, age_ms) / 1e3)

    async def now_ms(self) -> int:
        await self._reach()
        return self._now_ms()

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        await self._reach()
        stream = self._find(key)
        kept = stream.entries if stream else {}
        return frozenset(one for one in entry_ids if _Id.parse(one) in kept)

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None:
        await self._reach()
        if stream := self._find(key):
            for entry_id in entry_ids:
                stream.entries.pop(_Id.parse(entry_id), None)

    async def mark(self, keys: Sequence[str], ttl: timedelta) -> None:
        await self._reach()
        self._marks |= dict.fromkeys(keys, self._clock.monotonic() + ttl.total_seconds())

    async def find_marked(self, keys: Sequence[str]) -> frozenset[str]:
        await self._reach()
        now = self._clock.monotonic()
        return frozenset(key for key in keys if self._marks.get(key, now) > now)

    async def epoch(self, key: str, fresh: str) -> str:
        await self._reach()
        return self._epochs.setdefault(key, fresh)

    async def _reach(self) -> None:
        """Let others run, as a round trip does, and fail where the test says so."""
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure

    async def _within(self, block: float, look: Callable[[], T]) -> T:
        await self._reach()
        if (found := look()) or not block:
            return found
        rest = asyncio.ensure_future(self._clock.sleep(block))
        try:
            while not (found := look()) and not rest.done():
                stirred = asyncio.ensure_future(self._stirred.wait())
                try:
                    await asyncio.wait({rest, stirred}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stirred.cancel()
                await self._reach()
        finally:
            rest.cancel()
        return found

    def _stir(self) -> None:
        """Wake every blocked reader, to look again."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _find(self, key: str) -> _Stream | None:
        stream = self._streams.get(key)
        if stream is not None and stream.ends <= self._clock.monotonic():
            del self._streams[key]
            return None
        return stream

    def _made(self, key: str) -> _Stream:
        return self._find(key) or self._streams.setdefault(key, _Stream())

    def _at(self, key: str, group: str) -> tuple[_Stream, _Group]:
        stream = self._find(key)
        if stream is None or group not in stream.groups:
            raise GroupMissing(target="memory")
        return stream, stream.groups[group]

    def _append(self, write: Write) -> str:
        stream, now_ms = self._made(write.key), self._now_ms()
        entry_id = stream.add(write.fields, now_ms)
        window = write.window.total_seconds() if write.window else 1
        if write.window:
            stream.trim(now_ms - window * 1000)
        if write.expires:
            stream.ends = self._clock.monotonic() + window
        return entry_id

    def _settle(self, source: Source, done: Iterable[_Id]) -> None:
        if stream := self._find(source.key):
            group = stream.groups.get(source.group, _Group())
            for entry_id in done:
                group.pending.pop(entry_id, None)
                stream.entries.pop(entry_id, None)

    def _take_over(self, group: _Group, entry_id: _Id, consumer: str) -> int:
        deliveries = group.pending[entry_id].deliveries + 1
        group.pending[entry_id] = _Taken(consumer, self._clock.monotonic(), deliveries)
        return deliveries

    def _depth(self, key: str) -> int:
        stream = self._find(key)
        return len(stream.entries) if stream else 0


def _remaining(stream: _Stream, group: _Group, wanted: Sequence[_Id]) -> list[_Id]:
    """Drop what was deleted while it was pending."""
    gone = [entry_id for entry_id in wanted if entry_id not in stream.entries]
    for entry_id in gone:
        del group.pending[entry_id]
    return [entry_id for entry_id in wanted if entry_id in stream.entries]
