"""The broker on Redis 7 streams."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import compress
from typing import Any

from msaas.kernel import to_milliseconds
from msaas.streams.broker import (
    MAX_READ_BYTES,
    CommitResult,
    RawEntry,
    StreamConsumer,
    StreamStats,
    Write,
    entry_timestamp_ms,
)
from msaas.streams.errors import BrokerUnavailable, GroupMissing
from msaas.streams.redis_pipeline import (
    SLOWEST_LINK,
    RedisCommand,
    RedisPipeline,
    is_id_refused,
    read_clock_ms,
    read_entry,
    read_text,
)
from msaas.telemetry import Metrics

COMMAND_TIMEOUT = 0.5
MAX_BLOCK_SECONDS = 5.0
CLOCK_SYNC_INTERVAL = 10.0
LARGE_REPLY_SECONDS = MAX_READ_BYTES / SLOWEST_LINK
RELEASED_IDLE_MS = 24 * 3600 * 1000


class RedisBroker:
    def __init__(
        self, url: str, *, command_timeout: float = COMMAND_TIMEOUT, metrics: Metrics | None = None
    ) -> None:
        self._pipeline = RedisPipeline(url, command_timeout, metrics)
        self._clock_skew_ms = 0.0
        self._clock_synced_at = -CLOCK_SYNC_INTERVAL

    async def close(self) -> None:
        await self._pipeline.close()

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        if not writes and not acked_ids:
            return CommitResult()
        now_ms = await self._estimated_now_ms() if any(write.retention for write in writes) else 0
        added = [_xadd(write, now_ms) for write in writes]
        expiries = [_expire(write) for write in writes if write.expires]
        acks: list[RedisCommand] = []
        if consumer and acked_ids:
            acks.append(("XACK", consumer.key, consumer.group, *acked_ids))
            acks.append(("XDEL", consumer.key, *acked_ids))
        bounded = list(dict.fromkeys(write.key for write in writes if write.bounded))
        depths: list[RedisCommand] = [("XLEN", key) for key in bounded]
        transaction = [("MULTI",), *added, *expiries, *acks, *depths, ("EXEC",)]
        *_, replies = await self._pipeline.execute(transaction)
        depth_replies = replies[len(replies) - len(bounded) :]
        ids = ["" if is_id_refused(reply) else read_text(reply) for reply in replies[: len(added)]]
        return CommitResult(ids, dict(zip(bounded, depth_replies, strict=True)))

    async def ensure_group(self, consumer: StreamConsumer) -> None:
        arguments = (consumer.key, consumer.group, "0", "MKSTREAM")
        try:
            await self.execute_command("XGROUP", "CREATE", *arguments)
        except BrokerUnavailable as error:
            if error.context.get("reply") != "BUSYGROUP":
                raise

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        args = ("GROUP", consumer.group, consumer.name, "COUNT", count, *_block(block))
        command = ("XREADGROUP", *args, "STREAMS", consumer.key, ">")
        reply = await self._read_entries(command, block)
        return [read_entry(item) for item in reply[0][1]] if reply else []

    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        group_args, idle = (consumer.key, consumer.group), to_milliseconds(min_idle)
        idle_entries = await self.execute_command(
            "XPENDING", *group_args, "IDLE", idle, "-", "+", count + len(skip)
        )
        deliveries = {read_text(row[0]): int(row[3]) + 1 for row in idle_entries}
        entry_ids = [entry_id for entry_id in deliveries if entry_id not in skip][:count]
        if not entry_ids:
            return []
        # XCLAIM checks the idle time again and so decides between two concurrent reclaims.
        claimed = await self._read_entries(("XCLAIM", *group_args, consumer.name, idle, *entry_ids))
        return [read_entry(item, deliveries[read_text(item[0])]) for item in claimed if item]

    async def find_oldest_pending(
        self, consumer: StreamConsumer, up_to: str, skip: frozenset[str]
    ) -> str | None:
        rows = await self.execute_command(
            "XPENDING", consumer.key, consumer.group, "-", up_to, len(skip) + 1
        )
        return next((id_ for row in rows if (id_ := read_text(row[0])) not in skip), None)

    async def extend_leases(
        self, consumer: StreamConsumer, entry_ids: Sequence[str], heartbeat_interval: float
    ) -> frozenset[str]:
        group_args = (consumer.key, consumer.group)
        try:
            rows = await self._pipeline.execute(
                [("XPENDING", *group_args, id_, id_, 1, consumer.name) for id_ in entry_ids]
            )
        except GroupMissing:
            return frozenset()
        owned = list(compress(entry_ids, rows))
        if owned:
            # A claim made since then has reset the idle time, so this XCLAIM skips the entry.
            await self.execute_command(
                "XCLAIM",
                *group_args,
                consumer.name,
                to_milliseconds(heartbeat_interval / 2),
                *owned,
                "JUSTID",
            )
        return frozenset(owned)

    async def release(self, consumer: StreamConsumer, entries: Sequence[RawEntry]) -> None:
        claim = ("XCLAIM", consumer.key, consumer.group, consumer.name, 0)
        idle = ("IDLE", RELEASED_IDLE_MS, "JUSTID", "RETRYCOUNT")
        await self._pipeline.execute(
            [(*claim, raw.entry_id, *idle, raw.delivery_count - 1) for raw in entries]
        )

    async def remove_consumer(self, consumer: StreamConsumer) -> None:
        group_args, name = (consumer.key, consumer.group), consumer.name
        if not await self.execute_command("XPENDING", *group_args, "-", "+", 1, name):
            await self.execute_command("XGROUP", "DELCONSUMER", *group_args, name)

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]:
        args = ("COUNT", count, *_block(block), "STREAMS", *positions, *positions.values())
        reply = await self._read_entries(("XREAD", *args), block)
        return {read_text(key): [read_entry(item) for item in items] for key, items in reply or ()}

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        reply = await self._read_entries(("XRANGE", key, "-", "+", "COUNT", count))
        return [read_entry(item) for item in reply]

    async def last_id(self, key: str) -> str:
        reply = await self.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1)
        return read_text(reply[0][0]) if reply else "0-0"

    async def last_generated_id(self, key: str) -> str:
        try:
            reply = await self.execute_command("XINFO", "STREAM", key)
        except GroupMissing:  # there is no such stream
            return "0-0"
        fields = dict(zip(reply[::2], reply[1::2], strict=True))
        return read_text(fields[b"last-generated-id"])

    async def depth(self, key: str) -> int:
        return int(await self.execute_command("XLEN", key))

    async def stats(self, key: str, group: str) -> StreamStats:
        depth, groups, pending, clock = await self._pipeline.execute(
            [("XLEN", key), ("XINFO", "GROUPS", key), ("XPENDING", key, group), ("TIME",)]
        )
        known = [dict(zip(row[::2], row[1::2], strict=True)) for row in groups]
        known_lag = next((row[b"lag"] for row in known if row[b"name"] == group.encode()), None)
        lag = depth if known_lag is None else known_lag  # None after deletions
        now_ms = read_clock_ms(clock)
        oldest_ms = entry_timestamp_ms(read_text(pending[1])) if pending[0] else now_ms
        return StreamStats(depth, lag, pending[0], max(0, now_ms - oldest_ms) / 1e3)

    async def now_ms(self) -> int:
        return read_clock_ms(await self.execute_command("TIME"))

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found = await self._pipeline.execute([("XRANGE", key, id_, id_) for id_ in entry_ids])
        return frozenset(compress(entry_ids, found))

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None:
        if entry_ids:
            await self.execute_command("XDEL", key, *entry_ids)

    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        await self._pipeline.execute(
            [("SET", key, 1, "PX", to_milliseconds(ttl.total_seconds())) for key in keys]
        )

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]:
        counts = await self._pipeline.execute([("EXISTS", key) for key in keys])
        return frozenset(compress(keys, counts))

    async def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        milliseconds = to_milliseconds(ttl.total_seconds())
        holder = await self.execute_command("SET", key, owner, "NX", "GET", "PX", milliseconds)
        return holder is None or read_text(holder) == owner

    async def epoch(self, key: str, initial: str) -> str:
        known, info = await self._pipeline.execute(
            [("SET", key, initial, "NX", "GET"), ("INFO", "server")]
        )
        run_id = read_text(info).partition("run_id:")[2].split(maxsplit=1)[0]
        return f"{run_id}:{read_text(known) if known else initial}"

    async def _estimated_now_ms(self) -> int:
        """Return Redis's time without a round trip; trimming needs no exact one."""
        if (local_now := time.monotonic()) - self._clock_synced_at > CLOCK_SYNC_INTERVAL:
            self._clock_skew_ms = await self.now_ms() - local_now * 1000
            self._clock_synced_at = local_now
        return round(local_now * 1000 + self._clock_skew_ms)

    async def _read_entries(self, command: RedisCommand, block: float = 0) -> Any:
        return (await self._pipeline.execute([command], block + LARGE_REPLY_SECONDS))[0]

    async def execute_command(self, *command: str | int | bytes) -> Any:
        return (await self._pipeline.execute([command]))[0]


def _xadd(write: Write, now_ms: int) -> RedisCommand:
    pairs = [part for pair in write.fields.items() for part in pair]
    if write.retention is None:
        return ("XADD", write.key, write.entry_id or "*", *pairs)
    oldest = now_ms - to_milliseconds(write.retention.total_seconds())
    return ("XADD", write.key, "MINID", "~", oldest, write.entry_id or "*", *pairs)


def _expire(write: Write) -> RedisCommand:
    return ("EXPIRE", write.key, round(write.retention.total_seconds()) if write.retention else 1)


def _block(seconds: float) -> RedisCommand:
    return ("BLOCK", to_milliseconds(min(seconds, MAX_BLOCK_SECONDS))) if seconds else ()
