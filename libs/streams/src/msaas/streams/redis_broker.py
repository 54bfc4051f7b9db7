"""The wire on Redis 7 streams, in raw RESP2 so that no reply is parsed twice."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import compress
from typing import Any, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ExecAbortError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from msaas.streams.broker import (
    CommitResult,
    RawEntry,
    StreamConsumer,
    StreamStats,
    Write,
    entry_timestamp_ms,
)
from msaas.streams.errors import BrokerFull, BrokerUnavailable, GroupMissing
from msaas.streams.redis_replies import read_clock_ms, read_entry, read_text

COMMAND_TIMEOUT = 0.5
CONNECT_TIMEOUT = 2.0
MAX_BLOCK_SECONDS = 5.0
CLOCK_SYNC_INTERVAL = 10.0
RELEASED_IDLE_MS = 24 * 3600 * 1000

RedisCommand = Sequence[str | int | bytes]

_pack = cast("Callable[[tuple[object, ...]], bytes]", cast("Any", hiredis).pack_command)


class RedisBroker:
    """Packs and reads by itself on redis-py's connections: its pipelines cost half of a batch."""

    def __init__(self, url: str, *, command_timeout: float = COMMAND_TIMEOUT) -> None:
        self._timeout = command_timeout
        self._pool: Any = cast("Any", ConnectionPool).from_url(
            url,
            protocol=2,
            socket_timeout=None,  # one deadline for the whole exchange takes its place
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._clock_skew_ms = 0.0
        self._clock_synced_at = -CLOCK_SYNC_INTERVAL

    async def close(self) -> None:
        await self._pool.aclose()

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
        group_args = (consumer.key, consumer.group) if consumer and acked_ids else ()
        acks = (
            [("XACK", *group_args, *acked_ids), ("XDEL", group_args[0], *acked_ids)]
            if group_args
            else []
        )
        bounded = list(dict.fromkeys(write.key for write in writes if write.bounded))
        depths: list[RedisCommand] = [("XLEN", key) for key in bounded]
        transaction = [("MULTI",), *added, *expiries, *acks, *depths, ("EXEC",)]
        *_, replies = await self._execute_pipeline(transaction)
        depth_replies = replies[len(replies) - len(bounded) :]
        ids = [read_text(reply) for reply in replies[: len(added)]]
        return CommitResult(ids, dict(zip(bounded, depth_replies, strict=True)))

    async def ensure_group(self, consumer: StreamConsumer) -> None:
        try:
            await self.execute_command(
                "XGROUP", "CREATE", consumer.key, consumer.group, "0", "MKSTREAM"
            )
        except BrokerUnavailable as error:
            if error.context.get("reply") != "BUSYGROUP":
                raise

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        args = ("GROUP", consumer.group, consumer.name, "COUNT", count, *_block(block))
        [reply] = await self._execute_pipeline(
            [("XREADGROUP", *args, "STREAMS", consumer.key, ">")], block
        )
        return [read_entry(item) for item in reply[0][1]] if reply else []

    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        group_args, idle = (consumer.key, consumer.group), _ms(min_idle)
        idle_entries = await self.execute_command(
            "XPENDING", *group_args, "IDLE", idle, "-", "+", count + len(skip)
        )
        deliveries = {read_text(row[0]): int(row[3]) + 1 for row in idle_entries}
        wanted = [entry_id for entry_id in deliveries if entry_id not in skip][:count]
        if not wanted:
            return []
        # XPENDING proposes; XCLAIM's own idle check decides between two who reclaim at once.
        claimed = await self.execute_command("XCLAIM", *group_args, consumer.name, idle, *wanted)
        return [read_entry(item, deliveries[read_text(item[0])]) for item in claimed if item]

    async def extend_leases(
        self, consumer: StreamConsumer, entry_ids: Sequence[str], heartbeat_interval: float
    ) -> frozenset[str]:
        group_args = (consumer.key, consumer.group)
        try:
            rows = await self._execute_pipeline(
                [("XPENDING", *group_args, one, one, 1, consumer.name) for one in entry_ids]
            )
        except GroupMissing:
            return frozenset()
        owned = list(compress(entry_ids, rows))
        if owned:
            # Who claimed it since then has reset its idle time, and this leaves it alone.
            await self.execute_command(
                "XCLAIM", *group_args, consumer.name, _ms(heartbeat_interval / 2), *owned, "JUSTID"
            )
        return frozenset(owned)

    async def release(self, consumer: StreamConsumer, entries: Sequence[RawEntry]) -> None:
        claim = ("XCLAIM", consumer.key, consumer.group, consumer.name, 0)
        idle = ("IDLE", RELEASED_IDLE_MS, "JUSTID", "RETRYCOUNT")
        await self._execute_pipeline(
            [(*claim, one.entry_id, *idle, one.delivery_count - 1) for one in entries]
        )

    async def remove_consumer(self, consumer: StreamConsumer) -> None:
        group_args, name = (consumer.key, consumer.group), consumer.name
        if not await self.execute_command("XPENDING", *group_args, "-", "+", 1, name):
            await self.execute_command("XGROUP", "DELCONSUMER", *group_args, name)

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]:
        args = ("COUNT", count, *_block(block), "STREAMS", *positions, *positions.values())
        [reply] = await self._execute_pipeline([("XREAD", *args)], block)
        return {read_text(key): [read_entry(item) for item in items] for key, items in reply or ()}

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        return [
            read_entry(item)
            for item in await self.execute_command("XRANGE", key, "-", "+", "COUNT", count)
        ]

    async def last_id(self, key: str) -> str:
        reply = await self.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1)
        return read_text(reply[0][0]) if reply else "0-0"

    async def depth(self, key: str) -> int:
        return int(await self.execute_command("XLEN", key))

    async def stats(self, key: str, group: str) -> StreamStats:
        depth, groups, pending, clock = await self._execute_pipeline(
            [("XLEN", key), ("XINFO", "GROUPS", key), ("XPENDING", key, group), ("TIME",)]
        )
        known = [dict(zip(row[::2], row[1::2], strict=True)) for row in groups]
        known_lag = next((row[b"lag"] for row in known if row[b"name"] == group.encode()), None)
        lag = depth if known_lag is None else known_lag  # none once some were deleted in between
        oldest_ms = (
            read_clock_ms(clock) - entry_timestamp_ms(read_text(pending[1])) if pending[0] else 0
        )
        return StreamStats(depth, lag, pending[0], max(0, oldest_ms) / 1e3)

    async def now_ms(self) -> int:
        return read_clock_ms(await self.execute_command("TIME"))

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found = await self._execute_pipeline([("XRANGE", key, one, one) for one in entry_ids])
        return frozenset(compress(entry_ids, found))

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None:
        if entry_ids:
            await self.execute_command("XDEL", key, *entry_ids)

    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        await self._execute_pipeline(
            [("SET", key, 1, "PX", _ms(ttl.total_seconds())) for key in keys]
        )

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]:
        there = await self._execute_pipeline([("EXISTS", key) for key in keys])
        return frozenset(compress(keys, there))

    async def epoch(self, key: str, initial: str) -> str:
        known, info = await self._execute_pipeline(
            [("SET", key, initial, "NX", "GET"), ("INFO", "server")]
        )
        run_id = read_text(info).partition("run_id:")[2].split(maxsplit=1)[0]
        return f"{run_id}:{read_text(known) if known else initial}"

    async def _estimated_now_ms(self) -> int:
        """Tell the wire's time without a round trip: trimming does not need milliseconds."""
        if (local_now := time.monotonic()) - self._clock_synced_at > CLOCK_SYNC_INTERVAL:
            self._clock_skew_ms = await self.now_ms() - local_now * 1000
            self._clock_synced_at = local_now
        return round(local_now * 1000 + self._clock_skew_ms)

    async def execute_command(self, *command: str | int | bytes) -> Any:
        return (await self._execute_pipeline([command]))[0]

    async def _execute_pipeline(
        self, commands: Sequence[RedisCommand], block: float = 0
    ) -> list[Any]:
        """Send all, read all; raise the first refusal after the last reply has been read."""
        if not commands:
            return []
        packed = b"".join([_pack(tuple(command)) for command in commands])
        async with _translated_errors():
            async with asyncio.timeout(CONNECT_TIMEOUT):  # the greeting has no other deadline
                connection = await self._pool.get_connection()
            try:
                async with asyncio.timeout(self._timeout + block):
                    await connection.send_packed_command(packed, check_health=False)
                    replies = [await _reply(connection) for _ in commands]
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            finally:
                await self._pool.release(connection)
            nested = cast("list[Any]", replies[-1]) if isinstance(replies[-1], list) else []
            for reply in (*replies, *nested):
                if isinstance(reply, ResponseError) and not isinstance(reply, ExecAbortError):
                    raise reply
            return replies


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


@asynccontextmanager
async def _translated_errors() -> AsyncGenerator[None]:
    """Turn what redis-py raises into what a caller can act on."""
    try:
        yield
    except OutOfMemoryError as error:
        raise BrokerFull(target="redis", reply="OOM") from error
    except NoScriptError as error:  # which redis-py tells without its code
        raise BrokerUnavailable(target="redis", reply="NOSCRIPT") from error
    except ResponseError as error:
        reply = str(error)
        kind = GroupMissing if "NOGROUP" in reply or "no such key" in reply else BrokerUnavailable
        raise kind(target="redis", reply=reply.partition(" ")[0]) from error
    except (RedisError, OSError) as error:
        raise BrokerUnavailable(target="redis") from error


def _xadd(write: Write, now_ms: int) -> RedisCommand:
    pairs = [part for pair in write.fields.items() for part in pair]
    if write.retention is None:
        return ("XADD", write.key, "*", *pairs)
    oldest = now_ms - _ms(write.retention.total_seconds())
    return ("XADD", write.key, "MINID", "~", oldest, "*", *pairs)


def _expire(write: Write) -> RedisCommand:
    return ("EXPIRE", write.key, round(write.retention.total_seconds()) if write.retention else 1)


def _block(seconds: float) -> RedisCommand:
    return ("BLOCK", _ms(min(seconds, MAX_BLOCK_SECONDS))) if seconds else ()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
