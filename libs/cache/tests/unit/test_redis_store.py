"""While Redis fails it is left alone, and one exchange finds out whether it is back."""

from typing import Any

import pytest

from msaas.cache import RedisStore
from msaas.cache.redis_store import POLICY
from msaas.kernel import CircuitOpen, DependencyUnavailable
from msaas.testing import FakeClock


class Server:
    def __init__(self) -> None:
        self.asked = 0
        self.away = True

    async def run(self, *_command: str | int | bytes) -> Any:
        self.asked += 1
        if self.away:
            raise DependencyUnavailable(target="redis")
        return b"PONG"


async def test_a_server_that_keeps_failing_is_not_asked_for_a_while(fake_clock: FakeClock) -> None:
    server = Server()
    store = RedisStore(server, clock=fake_clock)
    for _ in range(20):
        with pytest.raises(DependencyUnavailable):
            await store.ask("PING")
    assert server.asked == POLICY.consecutive
    with pytest.raises(CircuitOpen):
        await store.ask("PING")
    server.away = False
    await fake_clock.advance(POLICY.open_seconds)
    assert [await store.ask("PING") for _ in range(3)] == [b"PONG"] * 3
