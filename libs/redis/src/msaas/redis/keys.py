"""Keys that expire, the clock of the server, and the identity of its data."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import compress
from typing import Any, Final, Protocol

from msaas.kernel import to_milliseconds
from msaas.redis.pipeline import RedisPipeline, read_clock_ms, read_text
from msaas.telemetry import Metrics

COMMAND_TIMEOUT: Final = 0.5


class Keys(Protocol):
    async def now_ms(self) -> int:
        """Return the time of the clock that stamps entry ids."""
        ...

    async def set_markers(self, keys: Sequence[str], ttl: timedelta) -> None:
        """Set keys without content that expire after `ttl`."""
        ...

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]: ...

    async def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        """Return whether the owner has the key: nobody had it, or the owner had it already."""
        ...

    async def epoch(self, key: str, initial: str | None = None) -> str | None:
        """Return the identity of the data, which changes when data may have been lost.

        It is created if `initial` is given, else None as long as there is none.
        """
        ...


class RedisKeys:
    def __init__(
        self, url: str, *, command_timeout: float = COMMAND_TIMEOUT, metrics: Metrics | None = None
    ) -> None:
        self._pipeline = RedisPipeline(url, command_timeout, metrics)

    async def close(self) -> None:
        await self._pipeline.close()

    async def execute_command(self, *command: str | int | bytes) -> Any:
        return (await self._pipeline.execute([command]))[0]

    async def now_ms(self) -> int:
        return read_clock_ms(await self.execute_command("TIME"))

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

    async def epoch(self, key: str, initial: str | None = None) -> str | None:
        creating = [] if initial is None else [("SETNX", key, initial)]
        *_, known, info = await self._pipeline.execute(
            [*creating, ("GET", key), ("INFO", "server")]
        )
        run_id = read_text(info).partition("run_id:")[2].split(maxsplit=1)[0]
        return f"{run_id}:{read_text(known)}" if known else None
