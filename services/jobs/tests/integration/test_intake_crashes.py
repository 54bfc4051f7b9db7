"""A process that ends at any point of a command: one job, reserved once, published."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    Gateway,
    ReadEnvelopes,
    ReadTopic,
    RunCommands,
    StartService,
)

from msaas.contracts import JobChanged, JobEnvelope
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.streams import BrokerUnavailable
from msaas.testing import wait_until
from msaas.worker import find_cancelled

PROGRAM = Path(__file__).parents[1] / "programs" / "crashing_service.py"
KILLED = 137
StartDying = Callable[[str], Awaitable[asyncio.subprocess.Process]]


@pytest_asyncio.fixture
async def start_dying(
    environment: str, redis_url: str, jobs_url: str, tmp_path: Path
) -> AsyncIterator[StartDying]:
    started: list[asyncio.subprocess.Process] = []

    async def start(crash: str) -> asyncio.subprocess.Process:
        given = {
            "ENVIRONMENT": environment,
            "REDIS_URL": redis_url,
            "DATABASE_URL": jobs_url,
            "CRASH": crash,
        }
        with (tmp_path / "service.log").open("wb") as log:
            program = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), env=os.environ | given, stdout=log, stderr=log
            )
        started.append(program)
        return program

    yield start
    for program in started:
        if program.returncode is None:
            program.kill()
            await program.wait()


@pytest.mark.parametrize(
    "crash",
    [
        "broker.read.after",  # read, nothing done
        "intake.store.after",  # written, not committed
        "broker.commit.before",  # committed, not published
        "broker.commit.after",  # published
    ],
)
async def test_a_submit_survives_the_end_of_its_process(
    crash: str,
    gateway: Gateway,
    start_dying: StartDying,
    start_service: StartService,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
) -> None:
    users: list[UUID] = [await add_user() for _ in range(5)]
    submissions = [asyncio.create_task(gateway.submit(user)) for user in users]

    async def are_on_redis() -> bool:
        return len(await read_topic("jobs.commands")) == len(users)

    await wait_until(are_on_redis)
    program = await start_dying(crash)
    assert await program.wait() == KILLED
    await start_service()
    replies = await asyncio.gather(*submissions)
    assert all(reply.ok and not reply.data["replayed"] for reply in replies)
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 5
    assert await rows.fetchval("SELECT sum(jobs_reserved) FROM jobs.usage_counters") == 5
    announced = {message.frame.id for message in await read_topic("jobs.events")}
    assert {str(job_id) for job_id in announced} == {reply.data["job_id"] for reply in replies}
    assert all(isinstance(message, JobChanged) for message in await read_topic("jobs.events"))


@pytest.mark.parametrize(
    ("crash", "envelopes"),
    [
        ("broker.commit.before", 0),  # committed, not published
        ("broker.commit.after", 1),  # published, and nothing was done since
    ],
)
async def test_a_dispatch_that_crashes_is_repaired_by_the_sweeper(
    crash: str,
    envelopes: int,
    run_commands: RunCommands,
    submit_job: BuildJob,
    start_dying: StartDying,
    user: UUID,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
    read_topic: ReadTopic,
    sweep: SweepLeasesTask,
    start_service: StartService,
) -> None:
    await run_commands(submit_job(user))
    program = await start_dying(crash)
    assert await program.wait() == KILLED
    row = await rows.fetchrow(
        "SELECT j.*, a.attempt FROM jobs.jobs j JOIN jobs.job_attempts a USING (fence)"
    )
    assert row is not None
    assert (row["status"], row["lease_until"], row["attempt"]) == ("PENDING", None, 0)
    assert [envelope.fence for envelope in await read_envelopes()] == [row["fence"]] * envelopes
    await rows.execute("UPDATE jobs.jobs SET dispatched_at = now() - interval '11 seconds'")
    await sweep()
    losses = [message.fence for message in await read_topic("jobs.results")]
    assert losses == [row["fence"]] * (1 - envelopes), "an entry that exists is not lost"
    await start_service()

    async def read_one() -> Sequence[JobEnvelope]:
        return await read_envelopes()

    [envelope] = await wait_until(read_one)
    assert envelope.job_id == row["id"]
    assert (envelope.fence == row["fence"]) is bool(envelopes)
    assert await rows.fetchval("SELECT losses FROM jobs.jobs") == 0


async def test_a_broker_that_fails_after_the_commit_is_retried_until_all_is_published(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    rows: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cancel commits, Redis stops responding, and the handler runs again on its own commit."""
    running = await start_service()
    job_id = UUID((await gateway.submit(user)).data["job_id"])

    async def is_stored() -> bool:
        return await rows.fetchval("SELECT entry_id FROM jobs.jobs") is not None

    await wait_until(is_stored)
    broker = running.service.messenger.context.broker
    set_markers, failures = broker.set_markers, iter([True, True])

    async def fails_twice(*args: Any) -> None:
        if next(failures, False):
            raise BrokerUnavailable(target="test")
        await set_markers(*args)

    monkeypatch.setattr(broker, "set_markers", fails_twice)
    reply = await gateway.cancel(user, job_id)
    assert reply.data["status"] == "CANCELLED"
    assert await find_cancelled(running.service.messenger, [job_id]) == {job_id}
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 0
