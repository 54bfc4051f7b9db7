"""The gateway publishes the state of every flag to Redis, for the workers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio

from msaas.contracts import feature_key
from msaas.flags import FLAGS
from msaas.gateway.bootstrap import Gateway
from msaas.messaging import RedisBroker
from msaas.testing import wait_until

ReadStates = Callable[..., Awaitable[Any]]
BROWSER = "FF_BROWSER_WORKER_ENABLED"
DEFAULTS = dict.fromkeys(FLAGS, b"default")
BROWSER_OFF = DEFAULTS | {BROWSER: b"off"}


@pytest_asyncio.fixture
async def read_states(redis_url: str, environment: str) -> AsyncIterator[ReadStates]:
    broker = RedisBroker(redis_url, command_timeout=5)
    keys = [feature_key(environment, name, "global") for name in FLAGS]

    async def read(command: str = "MGET") -> Any:
        states = await broker.execute_command(command, *keys)
        return dict(zip(FLAGS, states, strict=True)) if command == "MGET" else states

    yield read
    await broker.close()


async def test_states_are_published_and_published_again_after_a_flush(
    sign_in: Any, gateway: tuple[Gateway, str], read_states: ReadStates
) -> None:
    async def is_published(expected: dict[str, bytes]) -> bool:
        return await read_states() == expected

    operator = await sign_in(app_metadata={"role": "operator"})
    await wait_until(lambda: is_published(DEFAULTS))
    off = {"percent": 0, "reason": "It does harm."}
    stored = await operator.request("PUT", f"/ops/flags/{BROWSER}", json=off)
    assert stored.is_success, stored.text
    await wait_until(lambda: is_published(BROWSER_OFF))
    assert await read_states("DEL") == len(FLAGS)
    await wait_until(lambda: is_published(BROWSER_OFF))
    removed = await operator.request("DELETE", f"/ops/flags/{BROWSER}")
    assert removed.is_success, removed.text
    await wait_until(lambda: is_published(DEFAULTS))
    assert await read_states() == DEFAULTS
