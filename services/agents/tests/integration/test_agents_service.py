"""The service runs on a real Redis until it is stopped."""

import asyncio

from msaas.agents.bootstrap import run_service
from msaas.agents.settings import Settings
from msaas.messaging import RedisBroker
from msaas.settings import load_settings
from msaas.telemetry import Metrics


async def test_the_service_starts_and_can_be_cancelled(redis_url: str) -> None:
    given = {"ENVIRONMENT": "local", "REDIS_URL": redis_url, "AGENTS_INTERNAL_PORT": "0"}
    broker = RedisBroker(redis_url)
    service = asyncio.create_task(
        run_service(broker, Metrics("agents", "test"), load_settings(Settings, given))
    )
    done, _ = await asyncio.wait({service}, timeout=0.5)
    assert not done
    service.cancel()
    await asyncio.wait({service})
    await broker.close()
