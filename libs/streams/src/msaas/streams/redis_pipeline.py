"""Sends commands to Redis in one round trip; translates its errors and raw RESP2 replies."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import hiredis
from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from msaas.streams.broker import RawEntry
from msaas.streams.errors import BrokerAccessDenied, BrokerFull, BrokerUnavailable, GroupMissing
from msaas.telemetry import Metrics, get_logger

CONNECT_TIMEOUT = 2.0
SLOWEST_LINK: Final = 1_000_000
"""Bytes a second: what is sent extends the deadline of a round trip by as much."""

# What a script gets that runs a command which its user may not run.
_SCRIPT_DENIED: Final = "ACL failure in script"

_ID_REFUSED = "equal or smaller than the target stream top item"

RedisCommand = Sequence[str | int | bytes]

_pack = cast("Callable[[tuple[object, ...]], bytes]", cast("Any", hiredis).pack_command)


class RedisPipeline:
    """Packs and reads on redis-py's connections: its own pipelines cost half of a batch."""

    def __init__(self, url: str, command_timeout: float, metrics: Metrics | None) -> None:
        self._timeout = command_timeout
        self._log = get_logger()
        self._denied = metrics and metrics.counter(
            "msaas_broker_access_denied_total",
            "Commands that Redis refused to our user: wrong grants or passwords.",
            ("command", "reply"),
        )
        self._pool: Any = cast("Any", ConnectionPool).from_url(
            url,
            protocol=2,
            socket_timeout=None,  # one deadline for the whole round trip replaces it
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    async def close(self) -> None:
        await self._pool.aclose()

    async def execute(self, commands: Sequence[RedisCommand], block: float = 0) -> list[Any]:
        """Send all, read all; raise the first error after the last reply has been read."""
        if not commands:
            return []
        try:
            return await self._execute(commands, block)
        except BrokerAccessDenied as error:
            self._report_denied(error, commands)
            raise

    def _report_denied(self, error: BrokerAccessDenied, commands: Sequence[RedisCommand]) -> None:
        reply = str(error.context["reply"])
        names = [str(command[0]) for command in commands if command[0] != "MULTI"]
        command = names[0] if reply == "NOPERM" else "AUTH"
        self._log.error("broker_access_denied", command=command, reply=reply)
        if self._denied is not None:
            self._denied.labels(command, reply).inc()

    async def _execute(self, commands: Sequence[RedisCommand], block: float) -> list[Any]:
        packed = b"".join([_pack(tuple(command)) for command in commands])
        async with _translated_errors():
            async with asyncio.timeout(CONNECT_TIMEOUT):  # the handshake has no other deadline
                connection = await self._pool.get_connection()
            try:
                seconds = self._timeout + block + len(packed) / SLOWEST_LINK
                async with asyncio.timeout(seconds):
                    await connection.send_packed_command(packed, check_health=False)
                    replies = [await _read_reply(connection) for _ in commands]
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            finally:
                await self._pool.release(connection)
            nested = cast("list[Any]", replies[-1]) if isinstance(replies[-1], list) else []
            for reply in (*replies, *nested):
                if isinstance(reply, ResponseError) and not (
                    isinstance(reply, redis_errors.ExecAbortError) or is_id_refused(reply)
                ):
                    raise reply
            return replies


def is_id_refused(reply: object) -> bool:
    """Whether an XADD was refused for its id, which concerns that entry and no other."""
    return isinstance(reply, ResponseError) and _ID_REFUSED in str(reply)


async def _read_reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


@asynccontextmanager
async def _translated_errors() -> AsyncGenerator[None]:
    try:
        yield
    except redis_errors.OutOfMemoryError as error:
        raise BrokerFull(target="redis", reply="OOM") from error
    except redis_errors.NoScriptError as error:  # redis-py drops its code
        raise BrokerUnavailable(target="redis", reply="NOSCRIPT") from error
    except redis_errors.NoPermissionError as error:
        raise BrokerAccessDenied(target="redis", reply="NOPERM") from error
    except redis_errors.AuthenticationError as error:
        raise BrokerAccessDenied(target="redis", reply=_authentication_reply(error)) from error
    except ResponseError as error:
        reply = str(error)
        if _SCRIPT_DENIED in reply:
            raise BrokerAccessDenied(target="redis", reply="NOPERM") from error
        kind = GroupMissing if "NOGROUP" in reply or "no such key" in reply else BrokerUnavailable
        raise kind(target="redis", reply=reply.partition(" ")[0]) from error
    except (redis_errors.RedisError, OSError) as error:
        raise BrokerUnavailable(target="redis") from error


def _authentication_reply(error: redis_errors.AuthenticationError) -> str:
    return "NOAUTH" if "required" in str(error) else "WRONGPASS"


def read_entry(item: Any, delivery_count: int = 1) -> RawEntry:
    pairs = cast("list[bytes]", item[1] or [])
    return RawEntry(
        read_text(item[0]), dict(zip(pairs[::2], pairs[1::2], strict=True)), delivery_count
    )


def read_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def read_clock_ms(reply: Any) -> int:
    return int(reply[0]) * 1000 + int(reply[1]) // 1000
