"""Reads the flags of a worker's tasks, as the gateway publishes them to Redis."""

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from msaas.contracts import feature_key
from msaas.flags import FlagState, PublishedFlags

FLAG_REFRESH_SECONDS: Final = 2.0


class RedisCommands(Protocol):
    async def execute_command(self, *command: str | int | bytes) -> Any: ...


class RuntimeFlags:
    """A flag keeps its last known state while Redis is unavailable or has lost its data."""

    def __init__(
        self,
        redis: RedisCommands,
        environment: str,
        defaults: Mapping[str, bool],
        names: Collection[str],
    ) -> None:
        self._redis = redis
        self._keys = {name: feature_key(environment, name, "global") for name in sorted(names)}
        self._published = PublishedFlags(defaults)

    async def refresh(self) -> None:
        if not self._keys:
            return
        values = await self._redis.execute_command("MGET", *self._keys.values())
        self._published.update(
            {
                name: FlagState(value.decode())
                for name, value in zip(self._keys, values, strict=True)
                if value is not None
            }
        )

    def find_disabled(self, names: Collection[str]) -> str | None:
        return self._published.find_disabled(names)
