"""The worker as a process on a real Redis."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
from browser_worker_support import open_jobs_service, start_program

from msaas.browser_worker.config import Settings
from msaas.contracts import JobEnvelope, feature_key
from msaas.embedded import RedisServer, find_free_port
from msaas.local.demo_site import DemoSite
from msaas.messaging import RedisBroker
from msaas.settings import SettingsInvalid, load_settings
from msaas.testing import FakeJobsService, wait_until

BASE = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest.fixture
def redis(private_redis: Callable[..., RedisServer]) -> str:
    return private_redis(aof=False).url


@pytest_asyncio.fixture
async def jobs_service(redis: str) -> AsyncIterator[FakeJobsService]:
    async with open_jobs_service(redis) as service:
        yield service


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
        program = await start_program(given, "msaas.browser_worker", "serve", stdout=log)
    yield program
    if program.returncode is None:
        program.kill()
        await program.wait()


async def send_visit(jobs_service: FakeJobsService, url: str, **params: str) -> JobEnvelope:
    payload = {"url": url, **params}
    return await jobs_service.send(task_type="navigate_and_extract_text", payload=payload)


async def test_a_job_is_run_and_its_result_reported(
    worker: asyncio.subprocess.Process, jobs_service: FakeJobsService, site: DemoSite, port: int
) -> None:
    """The worker's own port is denied, which its operator reads in a metric.

    A user reads "port", as of any other host at that port: another word would say what listens
    on the fleet's machines.
    """
    envelope = await send_visit(jobs_service, f"{site.url}/article", selector="h1")
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert jobs_service.list_message_types(envelope) == ["JobStarted", "JobSucceeded"]
    assert outcome.result["text"] == "How a light is read"
    assert outcome.result["status"] == 200
    assert set(outcome.timings_ms) == {"open", "goto", "extract"}
    [visited] = outcome.network
    assert f"{visited.host}:{visited.port}" == site.address
    assert min(visited.connections, visited.received, visited.sent) > 0

    blocked = await jobs_service.wait_for_outcome(
        await send_visit(jobs_service, f"http://127.0.0.1:{port}/metrics")
    )
    assert (blocked.failure_reason, blocked.retryable) == ("address_blocked", False)
    [host] = blocked.network
    assert (host.port, host.connections, host.refusal) == (port, 0, "port")
    elsewhere = await jobs_service.wait_for_outcome(
        await send_visit(jobs_service, f"http://93.184.215.14:{port}/metrics")
    )
    assert elsewhere.network == (host.model_copy(update={"host": "93.184.215.14"}),)
    assert elsewhere.last_error == blocked.last_error

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        health = (await client.get("/health/ready")).json()
        metrics = (await client.get("/metrics")).text
    assert health == {"status": "ok", "checks": {"redis": "ok", "browser": "ok"}}
    for line in (
        'jobs_browser_total{environment="test",outcome="succeeded",service="browser-worker"',
        'jobs_browser_total{environment="test",outcome="address_blocked"',
        'jobs_browser_blocked_requests_total{environment="test",reason="denied"',
        'circuit_state{environment="test",service="browser-worker",target="playwright"} 0.0',
        'jobs_browser_contexts{environment="test",service="browser-worker"} 0.0',
        "msaas_job_processing_duration_seconds_count",
    ):
        assert line in metrics

    worker.terminate()
    assert await worker.wait() == 0


async def test_a_killed_browser_fails_its_own_job_only(
    worker: asyncio.subprocess.Process, jobs_service: FakeJobsService, site: DemoSite
) -> None:
    slow = await send_visit(jobs_service, f"{site.url}/slow?ms=30000")
    await wait_until(lambda: jobs_service.list_message_types(slow) == ["JobStarted"])
    for process in list_browsers(worker.pid):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    outcome = await jobs_service.wait_for_outcome(slow)
    assert (outcome.failure_reason, outcome.retryable) == ("browser_unavailable", True)
    following = await jobs_service.wait_for_outcome(await send_visit(jobs_service, f"{site.url}/"))
    assert following.result["status"] == 200


async def test_a_task_that_the_gateway_switches_off_fails_at_once(
    worker: asyncio.subprocess.Process, jobs_service: FakeJobsService, redis: str, site: DemoSite
) -> None:
    await jobs_service.wait_for_outcome(await send_visit(jobs_service, f"{site.url}/"))
    name = "FF_BROWSER_TASK_NAVIGATE_AND_EXTRACT_TEXT_ENABLED"
    broker = RedisBroker(redis)
    await broker.execute_command("SET", feature_key("test", name, "global"), "off", "EX", 60)
    await broker.close()

    async def is_refused() -> bool:
        envelope = await send_visit(jobs_service, f"{site.url}/")
        outcome = await jobs_service.wait_for_outcome(envelope)
        return getattr(outcome, "failure_reason", None) == "feature_flag_disabled"

    await wait_until(is_refused)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_no_browser_is_left_when_the_process_ends(
    worker: asyncio.subprocess.Process,
    jobs_service: FakeJobsService,
    site: DemoSite,
    number: signal.Signals,
) -> None:
    await jobs_service.wait_for_outcome(await send_visit(jobs_service, f"{site.url}/"))
    started = psutil.Process(worker.pid).children(recursive=True)
    assert len(started) > 2
    worker.send_signal(number)
    await worker.wait()
    await wait_until(lambda: not any(process.is_running() for process in started))


def list_browsers(worker: int) -> list[psutil.Process]:
    """List the leaders of the groups that are browsers."""
    children = psutil.Process(worker).children(recursive=True)
    return [
        process
        for process in children
        if os.getpgid(process.pid) == process.pid and "chrom" in str(process.cmdline())
    ]


async def test_invalid_settings_are_named_and_end_the_process() -> None:
    program = await start_program(
        {"ENVIRONMENT": "test", "REDIS_URL": ""}, "msaas.browser_worker", "serve", stderr=-1
    )
    _, output = await program.communicate()
    assert program.returncode == 2
    assert b"REDIS_URL is missing" in output


async def test_a_missing_browser_is_reported_at_start() -> None:
    given = BASE | {"BROWSER_WORKER_CHROMIUM": "/nowhere"}
    program = await start_program(given, "msaas.browser_worker", "serve", stderr=-1)
    _, output = await program.communicate()
    assert program.returncode == 2
    assert b"BROWSER_WORKER_CHROMIUM names no browser that runs" in output


def test_the_process_needs_the_broker_and_nothing_else() -> None:
    settings = load_settings(Settings, BASE)
    assert (settings.internal_port, settings.recycle_after) == (9003, 200)
    assert settings.concurrency == (os.cpu_count() or 1)
    given = {"BROWSER_WORKER_ALLOWED_HOSTS": "127.0.0.1:8010, demo-site"}
    assert load_settings(Settings, BASE | given).allowed_hosts == ("127.0.0.1:8010", "demo-site")
    with pytest.raises(SettingsInvalid, match="BROWSER_WORKER_CONCURRENCY"):
        load_settings(Settings, BASE | {"BROWSER_WORKER_CONCURRENCY": "0"})
    assert not hasattr(settings, "database_url")
