"""The service runs on real servers until it is stopped."""

import asyncio

from msaas.billing.bootstrap import assemble
from msaas.messaging import RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT


async def test_the_service_runs_until_it_is_stopped(redis_url: str, environment: str) -> None:
    broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
    stop = asyncio.Event()
    service = asyncio.create_task(
        assemble(broker, environment, Metrics("billing", "test")).run(stop)
    )
    done, _ = await asyncio.wait({service}, timeout=0.2)
    assert not done
    stop.set()
    await asyncio.wait_for(service, GENEROUS_TIMEOUT)
    await broker.close()
