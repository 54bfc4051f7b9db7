"""One round trip to Redis for each call, behind the circuit breaker of its purpose."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitState,
    Clock,
    DependencyUnavailable,
    SystemClock,
)

# Shorter than other breakers: a probe costs one round trip, and an open circuit affects all users.
BREAKER_POLICY: Final = BreakerPolicy(open_seconds=2.0)


class RedisClient(Protocol):
    """The part of a Redis client that is used here; no answer is DependencyUnavailable."""

    async def execute_command(self, *command: str | int | bytes) -> Any: ...


class Script:
    """Lua that Redis runs as one step."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.digest: Final = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """`name` is its breaker's: what fails for one purpose does not stop another."""

    def __init__(
        self,
        redis: RedisClient,
        name: str = "cache",
        *,
        clock: Clock | None = None,
        on_change: Callable[[str, CircuitState], None] | None = None,
    ) -> None:
        self._redis = redis
        self._breaker = Breaker(name, BREAKER_POLICY, clock or SystemClock(), on_change)

    async def execute_command(self, *command: str | int | bytes) -> Any:
        async with self._breaker:
            return await self._redis.execute_command(*command)

    async def run_script(
        self, script: Script, keys: Sequence[str], *arguments: str | int | bytes
    ) -> Any:
        """Run a script by its digest; its text is sent only to a server that does not know it."""
        rest = (len(keys), *keys, *arguments)
        async with self._breaker:
            try:
                return await self._redis.execute_command("EVALSHA", script.digest, *rest)
            except DependencyUnavailable as error:
                if error.context.get("reply") != "NOSCRIPT":
                    raise
            return await self._redis.execute_command("EVAL", script.text, *rest)
