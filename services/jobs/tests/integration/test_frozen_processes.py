"""A process that is frozen inside a transaction holds nobody up for long."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import BuildJob, RunCommands

from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.postgres import Database
from msaas.testing import wait_until

Freeze: TypeAlias = Callable[[str], Awaitable[Process]]
PROGRAM = Path(__file__).parents[1] / "programs/frozen_dispatch.py"
PATIENCE = 60


@pytest_asyncio.fixture
async def freeze(jobs_url: str) -> AsyncIterator[Freeze]:
    """Start a dispatcher that stops inside its pick, and return once it has stopped."""
    started: list[Process] = []

    async def start(where: str) -> Process:
        environment = os.environ | {"DATABASE_URL": jobs_url, "FREEZES": where}
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), env=environment, stdout=PIPE
        )
        started.append(process)
        await wait_until(lambda: is_stopped(process.pid), PATIENCE)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


def is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    return state == "T"


@pytest.mark.parametrize("where", ["BETWEEN_STATEMENTS", "PARSED"])
async def test_a_dispatcher_that_is_frozen_in_its_pick_stops_no_other(
    where: str,
    freeze: Freeze,
    database: Database,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    job = submit_job(user)
    await run_commands(job)
    frozen = await freeze(where)
    store = PostgresDispatch(database, window=200)
    assert (await store.pick(1)).is_busy

    async def pick() -> list[UUID]:
        return [picked.envelope.job_id for picked in (await store.pick(1)).picked]

    assert await wait_until(pick, PATIENCE) == [job.job_id]
    frozen.send_signal(signal.SIGCONT)
    output, _ = await asyncio.wait_for(frozen.communicate(), PATIENCE)
    assert output.split() == [b"unavailable", b"recovered"]
    assert await rows.fetchval("SELECT count(*) FROM jobs.job_attempts") == 1
