"""The gateway publishes the state of every flag to Redis, for the workers."""

from typing import Any

from msaas.contracts import feature_key
from msaas.flags import FLAGS
from msaas.gateway.bootstrap import Gateway
from msaas.messaging import RedisBroker
from msaas.testing import wait_until

BROWSER = "FF_BROWSER_WORKER_ENABLED"


async def test_states_are_published_and_published_again_after_a_flush(
    sign_in: Any, gateway: tuple[Gateway, str], redis_url: str, environment: str
) -> None:
    operator = await sign_in(app_metadata={"role": "operator"})
    broker = RedisBroker(redis_url, command_timeout=5)
    keys = {name: feature_key(environment, name, "global") for name in FLAGS}

    async def read_states() -> dict[str, bytes | None]:
        return dict(zip(keys, await broker.execute_command("MGET", *keys.values()), strict=True))

    async def is_off() -> bool:
        return (await read_states())[BROWSER] == b"off"

    async def is_default() -> bool:
        return set((await read_states()).values()) == {b"default"}

    await wait_until(is_default)
    off = {"percent": 0, "reason": "It does harm."}
    await operator.request("PUT", f"/ops/flags/{BROWSER}", json=off)
    await wait_until(is_off)
    await broker.execute_command("DEL", *keys.values())
    await wait_until(is_off)
    await operator.request("DELETE", f"/ops/flags/{BROWSER}")
    await wait_until(is_default)
    await broker.close()
