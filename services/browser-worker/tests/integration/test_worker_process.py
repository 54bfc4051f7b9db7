"""The whole worker as a process: envelopes in over a real Redis, reports out."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from msaas.browser_worker.config import Settings
from msaas.contracts import JobEnvelope
from msaas.embedded import find_free_port
from msaas.local.demo_site import DemoSite
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.settings import SettingsInvalid, load_settings
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_meta, wait_until

OUTCOME_TYPES = {"JobSucceeded", "JobFailed", "JobLost"}


class FakeJobsService:
    """Plays the part of the jobs service: sends envelopes, and collects what is reported."""

    def __init__(self, broker: RedisBroker) -> None:
        self.messenger = Messenger(broker, "jobs", "test", metrics=Metrics("jobs", "test"))
        self.received: list[Any] = []
        self.messenger.consume_batches("jobs.results", self._on_results)

    async def _on_results(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.received += [delivery.message for delivery in batch]
        return []

    async def send(self, url: str, **params: Any) -> JobEnvelope:
        envelope = build_job_envelope(
            task_type="navigate_and_extract_text",
            payload={"url": url, **params},
            meta=build_job_meta(valid_until=datetime.now(UTC) + timedelta(minutes=9)),
        )
        await self.messenger.publisher.publish("jobs.browser", envelope, correlation_id="test")
        return envelope

    def list_message_types(self, envelope: JobEnvelope) -> list[str]:
        return [type(one).__name__ for one in self.received if one.job_id == envelope.job_id]

    async def wait_for_outcome(self, envelope: JobEnvelope) -> Any:
        await wait_until(lambda: OUTCOME_TYPES & set(self.list_message_types(envelope)), timeout=60)
        ours = [one for one in self.received if one.job_id == envelope.job_id]
        return next(one for one in ours if type(one).__name__ in OUTCOME_TYPES)


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest.fixture
def redis(private_redis: Callable[..., Any]) -> str:
    return private_redis(aof=False).url


@pytest_asyncio.fixture
async def jobs_service(redis: str) -> AsyncIterator[FakeJobsService]:
    broker = RedisBroker(redis)
    owner = FakeJobsService(broker)
    running = asyncio.create_task(owner.messenger.run())
    yield owner
    owner.messenger.drain()
    await running
    await broker.close()


@pytest_asyncio.fixture
async def worker(
    redis: str, port: int, site: DemoSite, chromium_path: Path, tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    given = {
        "ENVIRONMENT": "test",
        "REDIS_URL": redis,
        "BROWSER_WORKER_INTERNAL_PORT": str(port),
        "BROWSER_WORKER_ALLOWED_HOSTS": site.address,
        "BROWSER_WORKER_CHROMIUM": str(chromium_path),
        "BROWSER_WORKER_CONCURRENCY": "2",
    }
    with (tmp_path / "worker.log").open("wb") as log:
        program = await start("serve", given, stdout=log)
    yield program
    if program.returncode is None:
        program.kill()
        await program.wait()


async def start(kind: str, given: dict[str, str], **streams: Any) -> asyncio.subprocess.Process:
    words = [sys.executable, "-m", "msaas.browser_worker", kind]
    return await asyncio.create_subprocess_exec(*words, env=os.environ | given, **streams)


async def test_an_envelope_goes_in_and_its_result_comes_out(
    worker: asyncio.subprocess.Process, jobs_service: FakeJobsService, site: DemoSite, port: int
) -> None:
    envelope = await jobs_service.send(f"{site.url}/article", selector="h1")
    verdict = await jobs_service.wait_for_outcome(envelope)
    assert jobs_service.list_message_types(envelope) == ["JobStarted", "JobSucceeded"]
    assert verdict.result["text"] == "How a light is read"
    assert verdict.result["status"] == 200
    assert set(verdict.timings_ms) == {"open", "goto", "extract"}
    [visited] = verdict.network
    assert f"{visited.host}:{visited.port}" == site.address
    assert min(visited.connections, visited.received, visited.sent) > 0

    blocked = await jobs_service.wait_for_outcome(
        await jobs_service.send(f"http://127.0.0.1:{port}/metrics")
    )
    assert (blocked.failure_reason, blocked.retryable) == ("address_blocked", False)
    [place] = blocked.network
    assert (place.port, place.connections, place.refusal) == (port, 0, "denied")

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        health = (await client.get("/health/ready")).json()
        metrics = (await client.get("/metrics")).text
    assert health == {"status": "ok", "checks": {"wire": "ok", "browser": "ok"}}
    for line in (
        'jobs_browser_total{environment="test",outcome="succeeded",service="browser-worker"',
        'jobs_browser_total{environment="test",outcome="address_blocked"',
        'circuit_state{environment="test",service="browser-worker",target="playwright"} 0.0',
        'jobs_browser_contexts{environment="test",service="browser-worker"} 0.0',
        "msaas_job_processing_duration_seconds_count",
    ):
        assert line in metrics

    worker.terminate()
    assert await worker.wait() == 0


async def test_a_browser_killed_under_a_job_costs_that_run_and_no_other(
    worker: asyncio.subprocess.Process, jobs_service: FakeJobsService, site: DemoSite
) -> None:
    slow = await jobs_service.send(f"{site.url}/slow?ms=30000")
    await wait_until(lambda: jobs_service.list_message_types(slow) == ["JobStarted"])
    for process in list_browsers(worker.pid):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    verdict = await jobs_service.wait_for_outcome(slow)
    assert (verdict.failure_reason, verdict.retryable) == ("browser_unavailable", True)
    following = await jobs_service.wait_for_outcome(await jobs_service.send(f"{site.url}/"))
    assert following.result["status"] == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_however_it_ends_no_browser_is_left(
    worker: asyncio.subprocess.Process,
    jobs_service: FakeJobsService,
    site: DemoSite,
    number: signal.Signals,
) -> None:
    await jobs_service.wait_for_outcome(await jobs_service.send(f"{site.url}/"))
    started = psutil.Process(worker.pid).children(recursive=True)
    assert len(started) > 2
    worker.send_signal(number)
    await worker.wait()
    await wait_until(lambda: not any(one.is_running() for one in started))


def list_browsers(worker: int) -> list[psutil.Process]:
    """List the leaders of the groups that are browsers."""
    children = psutil.Process(worker).children(recursive=True)
    return [
        one for one in children if os.getpgid(one.pid) == one.pid and "chrom" in str(one.cmdline())
    ]


async def test_settings_that_are_wrong_are_named_and_end_the_process() -> None:
    program = await start("serve", {"ENVIRONMENT": "test", "REDIS_URL": ""}, stderr=-1)
    _, said = await program.communicate()
    assert program.returncode == 2
    assert b"REDIS_URL is missing" in said


async def test_a_machine_without_the_browser_is_told_what_to_do() -> None:
    given = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}
    program = await start("serve", given | {"BROWSER_WORKER_CHROMIUM": "/nowhere"}, stderr=-1)
    _, said = await program.communicate()
    assert program.returncode == 2
    assert b"BROWSER_WORKER_CHROMIUM names no browser that runs" in said


def test_the_process_needs_the_broker_and_nothing_else() -> None:
    settings = load_settings(Settings, {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"})
    assert (settings.internal_port, settings.recycle_after) == (9003, 200)
    assert settings.concurrency == (os.cpu_count() or 1)
    given = {"BROWSER_WORKER_ALLOWED_HOSTS": "127.0.0.1:8010, demo-site"}
    base = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}
    assert load_settings(Settings, base | given).allowed_hosts == ("127.0.0.1:8010", "demo-site")
    with pytest.raises(SettingsInvalid, match="BROWSER_WORKER_CONCURRENCY"):
        load_settings(Settings, base | {"BROWSER_WORKER_CONCURRENCY": "0"})
    assert not hasattr(settings, "database_url")
