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

from msaas.streams.errors import GroupMissing, WireFull, WireUnavailable
from msaas.streams.redis_replies import read_clock_ms, read_entry, read_text
from msaas.streams.wire import Committed, RawEntry, Source, StreamStats, Write, entry_ms

COMMAND_TIMEOUT = 0.5
CONNECT_TIMEOUT = 2.0
LONGEST_BLOCK = 5.0
CLOCK_READ_EVERY = 10.0
HANDED_BACK_IDLE_MS = 24 * 3600 * 1000

Command = Sequence[str | int | bytes]

_pack = cast("Callable[[tuple[object, ...]], bytes]", cast("Any", hiredis).pack_command)


class RedisWire:
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
        self._clock_read_at = -CLOCK_READ_EVERY

    async def close(self) -> None:
        await self._pool.aclose()

    async def commit(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Committed:
        if not writes and not done:
            return Committed()
        now_ms = await self._about_now_ms() if any(write.window for write in writes) else 0
        added = [_xadd(write, now_ms) for write in writes]
        expiries = [_expire(write) for write in writes if write.expires]
        place = (source.key, source.group) if source and done else ()
        settled = [("XACK", *place, *done), ("XDEL", place[0], *done)] if place else []
        bounded = list(dict.fromkeys(write.key for write in writes if write.bounded))
        depths: list[Command] = [("XLEN", key) for key in bounded]
        whole = [("MULTI",), *added, *expiries, *settled, *depths, ("EXEC",)]
        *_, replies = await self._exchange(whole)
        seen = replies[len(replies) - len(bounded) :]
        ids = [read_text(reply) for reply in replies[: len(added)]]
        return Committed(ids, dict(zip(bounded, seen, strict=True)))

    async def ensure_group(self, source: Source) -> None:
        try:
            await self.run("XGROUP", "CREATE", source.key, source.group, "0", "MKSTREAM")
        except WireUnavailable as error:
            if error.context.get("reply") != "BUSYGROUP":
                raise

    async def read(self, source: Source, count: int, block: float) -> list[RawEntry]:
        place = ("GROUP", source.group, source.consumer, "COUNT", count, *_block(block))
        [reply] = await self._exchange([("XREADGROUP", *place, "STREAMS", source.key, ">")], block)
        return [read_entry(item) for item in reply[0][1]] if reply else []

    async def reclaim(
        self, source: Source, min_idle: float, count: int, skip: frozenset[str] = frozenset()
    ) -> list[RawEntry]:
        place, idle = (source.key, source.group), _ms(min_idle)
        silent = await self.run("XPENDING", *place, "IDLE", idle, "-", "+", count + len(skip))
        deliveries = {read_text(row[0]): int(row[3]) + 1 for row in silent}
        wanted = [entry_id for entry_id in deliveries if entry_id not in skip][:count]
        if not wanted:
            return []
        # XPENDING proposes; XCLAIM's own idle check decides between two who reclaim at once.
        taken = await self.run("XCLAIM", *place, source.consumer, idle, *wanted)
        return [read_entry(item, deliveries[read_text(item[0])]) for item in taken if item]

    async def hold(self, source: Source, entry_ids: Sequence[str], beat: float) -> frozenset[str]:
        place = (source.key, source.group)
        try:
            rows = await self._exchange(
                [("XPENDING", *place, one, one, 1, source.consumer) for one in entry_ids]
            )
        except GroupMissing:
            return frozenset()
        ours = list(compress(entry_ids, rows))
        if ours:
            # Who claimed it since then has reset its idle time, and this leaves it alone.
            await self.run("XCLAIM", *place, source.consumer, _ms(beat / 2), *ours, "JUSTID")
        return frozenset(ours)

    async def hand_back(self, source: Source, entries: Sequence[RawEntry]) -> None:
        claim = ("XCLAIM", source.key, source.group, source.consumer, 0)
        idle = ("IDLE", HANDED_BACK_IDLE_MS, "JUSTID", "RETRYCOUNT")
        await self._exchange([(*claim, one.entry_id, *idle, one.deliveries - 1) for one in entries])

    async def leave(self, source: Source) -> None:
        place, us = (source.key, source.group), source.consumer
        if not await self.run("XPENDING", *place, "-", "+", 1, us):
            await self.run("XGROUP", "DELCONSUMER", *place, us)

    async def tail(
        self, positions: Mapping[str, str], count: int, block: float
    ) -> dict[str, list[RawEntry]]:
        place = ("COUNT", count, *_block(block), "STREAMS", *positions, *positions.values())
        [reply] = await self._exchange([("XREAD", *place)], block)
        return {read_text(key): [read_entry(item) for item in items] for key, items in reply or ()}

    async def peek(self, key: str, count: int) -> list[RawEntry]:
        return [
            read_entry(item) for item in await self.run("XRANGE", key, "-", "+", "COUNT", count)
        ]

    async def last_id(self, key: str) -> str:
        reply = await self.run("XREVRANGE", key, "+", "-", "COUNT", 1)
        return read_text(reply[0][0]) if reply else "0-0"

    async def depth(self, key: str) -> int:
        return int(await self.run("XLEN", key))

    async def stats(self, key: str, group: str) -> StreamStats:
        depth, groups, pending, clock = await self._exchange(
            [("XLEN", key), ("XINFO", "GROUPS", key), ("XPENDING", key, group), ("TIME",)]
        )
        known = [dict(zip(row[::2], row[1::2], strict=True)) for row in groups]
        known_lag = next((row[b"lag"] for row in known if row[b"name"] == group.encode()), None)
        lag = depth if known_lag is None else known_lag  # none once some were deleted in between
        oldest_ms = read_clock_ms(clock) - entry_ms(read_text(pending[1])) if pending[0] else 0
        return StreamStats(depth, lag, pending[0], max(0, oldest_ms) / 1e3)

    async def now_ms(self) -> int:
        return read_clock_ms(await self.run("TIME"))

    async def find(self, key: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found = await self._exchange([("XRANGE", key, one, one) for one in entry_ids])
        return frozenset(compress(entry_ids, found))

    async def delete(self, key: str, entry_ids: Sequence[str]) -> None:
        if entry_ids:
            await self.run("XDEL", key, *entry_ids)

    async def mark(self, keys: Sequence[str], ttl: timedelta) -> None:
        await self._exchange([("SET", key, 1, "PX", _ms(ttl.total_seconds())) for key in keys])

    async def find_marked(self, keys: Sequence[str]) -> frozenset[str]:
        there = await self._exchange([("EXISTS", key) for key in keys])
        return frozenset(compress(keys, there))

    async def epoch(self, key: str, fresh: str) -> str:
        known, info = await self._exchange([("SET", key, fresh, "NX", "GET"), ("INFO", "server")])
        run_id = read_text(info).partition("run_id:")[2].split(maxsplit=1)[0]
        return f"{run_id}:{read_text(known) if known else fresh}"

    async def _about_now_ms(self) -> int:
        """Tell the wire's time without a round trip: trimming does not need milliseconds."""
        if (here := time.monotonic()) - self._clock_read_at > CLOCK_READ_EVERY:
            self._clock_skew_ms = await self.now_ms() - here * 1000
            self._clock_read_at = here
        return round(here * 1000 + self._clock_skew_ms)

    async def run(self, *command: str | int | bytes) -> Any:
        return (await self._exchange([command]))[0]

    async def _exchange(self, commands: Sequence[Command], block: float = 0) -> list[Any]:
        """Send all, read all; raise the first refusal after the last reply has been read."""
        if not commands:
            return []
        packed = b"".join([_pack(tuple(command)) for command in commands])
        async with _meaning():
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
async def _meaning() -> AsyncGenerator[None]:
    """Turn what redis-py raises into what a caller can act on."""
    try:
        yield
    except OutOfMemoryError as error:
        raise WireFull(target="redis", reply="OOM") from error
    except NoScriptError as error:  # which redis-py tells without its code
        raise WireUnavailable(target="redis", reply="NOSCRIPT") from error
    except ResponseError as error:
        reply = str(error)
        kind = GroupMissing if "NOGROUP" in reply or "no such key" in reply else WireUnavailable
        raise kind(target="redis", reply=reply.partition(" ")[0]) from error
    except (RedisError, OSError) as error:
        raise WireUnavailable(target="redis") from error


def _xadd(write: Write, now_ms: int) -> Command:
    pairs = [part for pair in write.fields.items() for part in pair]
    if write.window is None:
        return ("XADD", write.key, "*", *pairs)
    oldest = now_ms - _ms(write.window.total_seconds())
    return ("XADD", write.key, "MINID", "~", oldest, "*", *pairs)


def _expire(write: Write) -> Command:
    return ("EXPIRE", write.key, round(write.window.total_seconds()) if write.window else 1)


def _block(seconds: float) -> Command:
    return ("BLOCK", _ms(min(seconds, LONGEST_BLOCK))) if seconds else ()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
