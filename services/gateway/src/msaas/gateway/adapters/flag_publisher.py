"""Publishes the states of feature flags to Redis, where workers read them."""

from collections.abc import Mapping
from typing import Final

from msaas.cache import RedisStore
from msaas.contracts import feature_key
from msaas.flags import FlagState

_TTL_SECONDS: Final = 24 * 3_600


class FlagPublisher:
    def __init__(self, redis: RedisStore, environment: str) -> None:
        self._redis = redis
        self._environment = environment

    async def publish(self, states: Mapping[str, FlagState]) -> None:
        for name, state in states.items():
            key = feature_key(self._environment, name, "global")
            await self._redis.execute_command("SET", key, state.value, "EX", _TTL_SECONDS)
