"""A worker process: its health, its end on SIGTERM, and its jobs after SIGKILL."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from worker_support import OpenWorker, ScriptedAction

from msaas.embedded import find_free_port
from msaas.testing import FakeJobsService, wait_until

PROGRAM = Path(__file__).parents[1] / "programs" / "worker_process.py"
Process = asyncio.subprocess.Process
NEVER = "/nowhere"


@pytest.fixture
def redis_url(private_redis: Callable[..., Any]) -> str:
    """Return a private server: a process accepts only real environment names."""
    return private_redis(aof=False).url


@pytest.fixture
def environment() -> str:
    return "test"


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest_asyncio.fixture
async def start_process(
    redis_url: str, environment: str, port: int, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    started: list[Process] = []

    async def start_process_(**given: str) -> Process:
        shared = {"REDIS_URL": redis_url, "ENVIRONMENT": environment, "PORT": str(port)}
        with (tmp_path / "worker.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), env=os.environ | shared | given, stdout=log
            )
        started.append(process)
        return process

    yield start_process_
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest_asyncio.fixture
async def get_internal(
    port: int,
) -> AsyncIterator[Callable[[str], Awaitable[httpx.Response | None]]]:
    """Return a function that requests the internal port; None while nothing listens there."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        async def fetch(path: str) -> httpx.Response | None:
            try:
                return await client.get(path)
            except httpx.TransportError:
                return None

        yield fetch


async def test_a_job_of_a_killed_process_is_reported_by_a_peer_and_not_run_again(
    jobs_service: FakeJobsService, open_worker: OpenWorker, start_process: Any
) -> None:
    process = await start_process()
    begun = await jobs_service.send(payload={"message": NEVER})
    await wait_until(lambda: jobs_service.list_message_types(begun) == ["JobStarted"])
    process.kill()
    await process.wait()
    action = ScriptedAction()
    open_worker(action)
    outcome = await jobs_service.wait_for_outcome(begun)
    assert (type(outcome).__name__, outcome.reason) == ("JobLost", "reclaimed")
    assert outcome.fence == begun.fence
    unread = await jobs_service.send()
    assert (await jobs_service.wait_for_outcome(unread)).result == {"message": "hello"}
    assert action.run_count == 1


async def test_a_process_reports_its_health_and_ends_on_sigterm(
    jobs_service: FakeJobsService, start_process: Any, get_internal: Any, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    process = await start_process()

    async def is_ready() -> bool:
        response = await get_internal("/health/ready")
        return response is not None and response.is_success

    await wait_until(is_ready)
    assert (await get_internal("/health/ready")).json()["checks"] == {"redis": "ok"}
    assert (await get_internal("/health/live")).is_success
    envelope = await jobs_service.send(payload={"message": str(there)})
    await wait_until(lambda: jobs_service.list_message_types(envelope) == ["JobStarted"])
    process.terminate()
    there.touch()
    assert (await jobs_service.wait_for_outcome(envelope)).result == {"message": "there"}
    assert await process.wait() == 0


async def test_a_process_is_not_ready_while_a_check_of_its_own_fails(
    start_process: Any, get_internal: Any
) -> None:
    await start_process(STUCK="yes")

    async def is_unready() -> bool:
        response = await get_internal("/health/ready")
        return response is not None and response.json()["checks"].get("folder") == "timeout"

    await wait_until(is_unready)
    assert (await get_internal("/health/live")).is_success
    assert (await get_internal("/health/ready")).status_code == 503


async def test_a_terminated_process_reports_unfinished_runs_as_lost(
    jobs_service: FakeJobsService, start_process: Any
) -> None:
    process = await start_process(DRAIN="0.2")
    envelope = await jobs_service.send(payload={"message": NEVER})
    await wait_until(lambda: jobs_service.list_message_types(envelope) == ["JobStarted"])
    process.terminate()
    assert await process.wait() == 0
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert (type(outcome).__name__, outcome.reason) == ("JobLost", "drained")
