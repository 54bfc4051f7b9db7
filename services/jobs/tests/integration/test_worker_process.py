"""The generic worker as it is deployed: a process with a broker and nothing else."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from msaas.embedded import find_free_port
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_meta, wait_until

NO_DATABASE = """
import sys, msaas.jobs.settings, msaas.jobs.worker
print(sorted({"asyncpg", "sqlalchemy", "alembic", "msaas.postgres"} & sys.modules.keys()))
"""


class Owner:
    """Publishes envelopes and receives the reports."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self.received: list[Any] = []
        messenger.consume_batches("jobs.results", self._read_topics)

    async def send(self, **payload: Any) -> None:
        meta = build_job_meta(valid_until=datetime.now(UTC) + timedelta(minutes=9))
        envelope = build_job_envelope(payload=payload, meta=meta)
        await self._messenger.publisher.publish("jobs.generic", envelope, correlation_id="test")

    def names(self) -> list[str]:
        return [type(message).__name__ for message in self.received]

    async def _read_topics(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.received += [delivery.message for delivery in batch]
        return []


@pytest.fixture
def broker_url(private_redis: Callable[..., Any]) -> str:
    return private_redis(aof=False).url


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest_asyncio.fixture
async def owner(broker_url: str) -> AsyncIterator[Owner]:
    broker = RedisBroker(broker_url)
    metrics = Metrics("jobs", "test")
    messenger = Messenger(broker, "jobs", "test", metrics=metrics)
    owner = Owner(messenger)
    running = asyncio.create_task(messenger.run())
    yield owner
    messenger.drain()
    await running
    await broker.close()


@pytest_asyncio.fixture
async def worker(
    broker_url: str, port: int, tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    given = {"ENVIRONMENT": "test", "REDIS_URL": broker_url, "JOBS_INTERNAL_PORT": str(port)}
    shared = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with (tmp_path / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "msaas.jobs", "worker", env=shared | given, stdout=log
        )
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_it_echoes_shows_its_health_and_metrics_and_drains(
    worker: asyncio.subprocess.Process, owner: Owner, port: int
) -> None:
    await owner.send(message="hello", delay_ms=10)
    await wait_until(lambda: owner.names() == ["JobStarted", "JobSucceeded"])
    assert owner.received[-1].result == {"message": "hello"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        ready = await client.get("/health/ready")
        metrics = (await client.get("/metrics")).text
    assert (ready.status_code, ready.json()["checks"]) == (200, {"redis": "ok"})
    count = 'msaas_job_processing_duration_seconds_count{environment="test",service="jobs-worker"'
    assert f'{count},task_type="echo"}} 1.0' in metrics
    worker.terminate()
    assert await worker.wait() == 0


async def test_it_never_loads_what_talks_to_a_database() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", NO_DATABASE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.decode().strip() == "[]"
