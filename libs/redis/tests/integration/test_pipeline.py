"""Commands in one round trip: their replies, the errors of some, and the deadline of all."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from msaas.redis import BrokerUnavailable, GroupMissing, RedisPipeline
from msaas.testing import GENEROUS_TIMEOUT, FaultProxy, wait_until

BYTES_PER_SECOND = 4_000_000


@pytest_asyncio.fixture
async def open_pipeline() -> AsyncIterator[Callable[..., RedisPipeline]]:
    opened: list[RedisPipeline] = []

    def open_(url: str, command_timeout: float = GENEROUS_TIMEOUT) -> RedisPipeline:
        opened.append(RedisPipeline(url, command_timeout, None))
        return opened[-1]

    yield open_
    for pipeline in opened:
        await pipeline.close()


async def test_replies_come_in_the_order_of_their_commands(
    open_pipeline: Callable[..., RedisPipeline], redis_url: str
) -> None:
    pipeline = open_pipeline(redis_url)
    assert await pipeline.execute([("ECHO", "a"), ("ECHO", 1), ("ECHO", b"c")]) == [
        b"a",
        b"1",
        b"c",
    ]
    assert await pipeline.execute([]) == []


async def test_the_first_error_is_raised_after_all_commands_were_executed(
    open_pipeline: Callable[..., RedisPipeline], redis_url: str, environment: str
) -> None:
    pipeline, key = open_pipeline(redis_url), f"msaas:{environment}:counter"
    with pytest.raises(GroupMissing):
        await pipeline.execute(
            [("XINFO", "STREAM", f"{key}:none"), ("NONSENSE",), ("SET", key, 1, "EX", 60)]
        )
    assert await pipeline.execute([("GET", key)]) == [b"1"]


async def test_what_takes_longer_than_a_command_may_is_given_the_time_of_its_bytes(
    open_pipeline: Callable[..., RedisPipeline], redis_url: str, environment: str
) -> None:
    async with FaultProxy(redis_url) as proxy:
        proxy.limit_rate(BYTES_PER_SECOND)
        pipeline = open_pipeline(proxy.url, command_timeout=0.5)
        value = b"x" * 2 * BYTES_PER_SECOND

        async def is_sent() -> bool:
            try:
                await pipeline.execute([("SET", f"msaas:{environment}:large", value, "EX", 60)])
            except BrokerUnavailable:
                return False
            return True

        await wait_until(is_sent, timeout=60)
