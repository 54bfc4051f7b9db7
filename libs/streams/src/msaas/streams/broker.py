"""The few stream operations that the fleet relies on, and the values they exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """One consumer's place at one stream."""

    key: str
    group: str
    name: str


class RawEntry(NamedTuple):
    entry_id: str
    fields: Mapping[bytes, bytes]
    delivery_count: int = 1


class Write(NamedTuple):
    """One entry to append; `window` trims what is older, `expires` lets the key die with it."""

    key: str
    fields: Mapping[bytes, bytes]
    retention: timedelta | None = None
    expires: bool = False
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The new entries' ids in the order of the writes, and the depth of each bounded stream."""

    entry_ids: Sequence[str] = ()
    depths: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class StreamStats:
    depth: int
    lag: int
    pending: int
    oldest_pending_seconds: float


class Broker(Protocol):
    """Redis in production, memory in property tests; one behaviour suite runs against both."""

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        """Append, acknowledge and delete in one transaction."""
        ...

    async def ensure_group(self, consumer: StreamConsumer) -> None:
        """Make stream and group where missing, from the first entry on."""
        ...

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        """Take entries that nobody has taken yet."""
        ...

    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        """Take over entries whose consumer has been silent for `min_idle` seconds."""
        ...

    async def extend_leases(
        self, consumer: StreamConsumer, entry_ids: Sequence[str], heartbeat_interval: float
    ) -> frozenset[str]:
        """Keep entries from being reclaimed; answers those that are still ours."""
        ...

    async def release(self, consumer: StreamConsumer, entries: Sequence[RawEntry]) -> None:
        """Give entries up for reclaiming at once, as if this delivery had not been."""
        ...

    async def remove_consumer(self, consumer: StreamConsumer) -> None:
        """Strike this consumer from its group, unless something is pending for it."""
        ...

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]: ...

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        """Look at the oldest entries of a stream that no group reads."""
        ...

    async def last_id(self, key: str) -> str: ...

    async def depth(self, key: str) -> int: ...

    async def stats(self, key: str, group: str) -> StreamStats: ...

    async def now_ms(self) -> int:
        """Read the wire's own clock, which stamps entry ids."""
        ...

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        """Tell which of these entries are still on the stream."""
        ...

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None: ...

    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        """Set keys that say no more than that they are there, until the ttl is over."""
        ...

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]: ...

    async def epoch(self, key: str, initial: str) -> str:
        """Read the wire's identity, which changes when its data may have been lost."""
        ...


def entry_timestamp_ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
