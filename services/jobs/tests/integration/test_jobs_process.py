"""The process: started from its environment, ready when it can work, drained on SIGTERM."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from services.jobs.tests.support import BuildJob

from msaas.contracts import SubmitJob
from msaas.embedded import find_free_port
from msaas.jobs.settings import Settings, WorkerSettings
from msaas.messaging import Messenger, RedisBroker
from msaas.settings import SettingsInvalid, load_settings
from msaas.telemetry import Metrics
from msaas.testing import wait_until


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest_asyncio.fixture
async def process(
    private_redis: Callable[..., Any], jobs_url: str, port: int, tmp_path: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    redis_url = private_redis(aof=False).url
    given = {
        "ENVIRONMENT": "test",
        "DATABASE_URL": jobs_url,
        "REDIS_URL": redis_url,
        "JOBS_INTERNAL_PORT": str(port),
    }
    with (tmp_path / "jobs.log").open("wb") as log:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "msaas.jobs", "serve", env=os.environ | given, stdout=log
        )
    yield program, redis_url
    if program.returncode is None:
        program.kill()
        await program.wait()


async def test_it_gets_ready_handles_a_command_shows_its_metrics_and_drains(
    process: tuple[asyncio.subprocess.Process, str],
    port: int,
    user: UUID,
    submit_job: BuildJob,
) -> None:
    program, redis_url = process
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get("/health/ready")).is_success
            except httpx.TransportError:
                return False

        await wait_until(is_ready)
        reply = await send_command(redis_url, submit_job(user))
        metrics = (await client.get("/metrics")).text
        checks = (await client.get("/health/ready")).json()["checks"]
    assert reply.data["status"] == "PENDING"
    assert 'msaas_jobs_submitted_total{environment="test",plan="FREE"' in metrics
    assert checks == {"db": "ok", "redis": "ok"}
    program.terminate()
    assert await program.wait() == 0


async def send_command(redis_url: str, command: SubmitJob) -> Any:
    broker = RedisBroker(redis_url)
    gateway = Messenger(broker, "gateway", "test", metrics=Metrics("gateway", "test"))
    client = gateway.create_command_client()
    running = asyncio.create_task(gateway.run())
    try:
        return await client.call("jobs.commands", command, ttl=20.0, correlation_id="test")
    finally:
        gateway.drain()
        await running
        await broker.close()


def test_each_kind_of_process_asks_for_what_it_needs_and_no_more() -> None:
    shared = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}
    worker = load_settings(WorkerSettings, shared | {"JOBS_WORKER_SLOTS": "7"})
    assert (worker.internal_port, worker.worker_slots) == (9002, 7)
    assert not hasattr(worker, "database_url")
    with pytest.raises(SettingsInvalid, match="DATABASE_URL is missing"):
        load_settings(Settings, shared)
    with_database = shared | {"DATABASE_URL": "postgresql://svc_jobs@127.0.0.1/app"}
    service = load_settings(Settings, with_database | {"JOBS_DISPATCH_WINDOW": "9"})
    assert (service.internal_port, service.dispatch_window) == (9001, 9)


async def test_settings_that_are_wrong_are_named_and_end_the_process() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "msaas.jobs",
        "serve",
        env={"PATH": os.environ["PATH"], "ENVIRONMENT": "test"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error_output = await program.communicate()
    assert program.returncode == 2
    assert b"DATABASE_URL is missing" in error_output
