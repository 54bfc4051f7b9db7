"""The few stream operations that the fleet relies on, and the values they exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

MAX_READ_BYTES: Final = 1_000_000
"""What one read may bring over a slow link within its deadline."""


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """One consumer of one group of one stream."""

    key: str
    group: str
    name: str


class RawEntry(NamedTuple):
    entry_id: str
    fields: Mapping[bytes, bytes]
    delivery_count: int = 1

    @property
    def size(self) -> int:
        return sum(map(len, self.fields.values()))


class Write(NamedTuple):
    """One entry to append; `retention` trims older ones, `expires` lets the key expire with it.

    An `entry_id` that is not greater than all before it on the stream is refused.
    """

    key: str
    fields: Mapping[bytes, bytes]
    retention: timedelta | None = None
    expires: bool = False
    bounded: bool = False
    entry_id: str | None = None

    @property
    def size(self) -> int:
        return sum(map(len, self.fields.values()))


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The new entries' ids in the order of the writes, and the depth of each bounded stream.

    The id of a write whose `entry_id` was refused is empty.
    """

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
        """Create stream and group where missing; the group starts at the first entry."""
        ...

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        """Read entries that were delivered to no consumer yet."""
        ...

    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        """Claim entries whose lease was not extended for `min_idle` seconds."""
        ...

    async def find_oldest_pending(
        self, consumer: StreamConsumer, up_to: str, skip: frozenset[str]
    ) -> str | None:
        """Return the oldest entry of the group that is read and not acknowledged."""
        ...

    async def extend_leases(
        self, consumer: StreamConsumer, entry_ids: Sequence[str], heartbeat_interval: float
    ) -> frozenset[str]:
        """Keep entries from being reclaimed; return those that this consumer still owns."""
        ...

    async def release(self, consumer: StreamConsumer, entries: Sequence[RawEntry]) -> None:
        """Make entries reclaimable at once, without counting this delivery."""
        ...

    async def remove_consumer(self, consumer: StreamConsumer) -> None:
        """Remove this consumer from its group, unless it has pending entries."""
        ...

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]: ...

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        """Return the oldest entries of a stream that no group reads."""
        ...

    async def last_id(self, key: str) -> str: ...

    async def last_generated_id(self, key: str) -> str:
        """Return the greatest id that the stream ever had, also of entries that are deleted."""
        ...

    async def depth(self, key: str) -> int: ...

    async def stats(self, key: str, group: str) -> StreamStats: ...

    async def now_ms(self) -> int:
        """Return the time of the clock that stamps entry ids."""
        ...

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these entries that are still on the stream."""
        ...

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None: ...

    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        """Set keys without content that expire after `ttl`."""
        ...

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]: ...

    async def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        """Return whether the owner has the key: nobody had it, or the owner had it already."""
        ...

    async def epoch(self, key: str, initial: str) -> str:
        """Return the identity of the data, which changes when data may have been lost."""
        ...


def entry_timestamp_ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def entry_position(entry_id: str) -> tuple[int, int]:
    """Return what sorts entries of a stream in the order of their appending."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
