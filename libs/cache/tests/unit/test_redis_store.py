"""While Redis fails it is not called, and one probe finds out whether it has recovered."""

from typing import Any

import pytest

from msaas.cache import RedisStore
from msaas.cache.redis_store import BREAKER_POLICY
from msaas.kernel import CircuitOpen, DependencyUnavailable
from msaas.testing import FakeClock


class FailingRedis:
    def __init__(self) -> None:
        self.calls = 0
        self.is_unavailable = True

    async def execute_command(self, *_command: str | int | bytes) -> Any:
        self.calls += 1
        if self.is_unavailable:
            raise DependencyUnavailable(target="redis")
        return b"PONG"


async def test_a_server_that_keeps_failing_is_not_called_for_a_while(fake_clock: FakeClock) -> None:
    server = FailingRedis()
    store = RedisStore(server, clock=fake_clock)
    for _ in range(20):
        with pytest.raises(DependencyUnavailable):
            await store.execute_command("PING")
    assert server.calls == BREAKER_POLICY.consecutive_failures
    with pytest.raises(CircuitOpen):
        await store.execute_command("PING")
    server.is_unavailable = False
    await fake_clock.advance(BREAKER_POLICY.open_seconds)
    assert [await store.execute_command("PING") for _ in range(3)] == [b"PONG"] * 3
