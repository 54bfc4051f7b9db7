"""Paused task types: by an operator until resumed, by an open circuit for a while."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import (
    BuildJob,
    Gateway,
    ReadEnvelopes,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import CircuitOpened, PauseTask, Plan, ResumeTask
from msaas.jobs.__main__ import main
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.domain.errors import TaskTypeNotFound
from msaas.jobs.send_command import send_command
from msaas.jobs.settings import OperatorSettings
from msaas.postgres import Database
from msaas.settings import load_settings
from msaas.testing import wait_until

BROWSE: dict[str, Any] = {
    "task_type": "navigate_and_extract_text",
    "payload": {"url": "https://example.com"},
}
ApplyPauses = Callable[..., Awaitable[None]]
OpenedCircuit = Callable[..., CircuitOpened]


@pytest.fixture
def apply_pauses(database: Database) -> ApplyPauses:
    set_pauses = SetPauses(PostgresPauses(database), request_dispatch=lambda: None)

    async def apply(*commands: PauseTask | ResumeTask | CircuitOpened) -> None:
        await set_pauses(commands)

    return apply


@pytest_asyncio.fixture
async def opened(user: UUID, rows: asyncpg.Connection) -> OpenedCircuit:
    """Return what a worker reports of a run that it was given."""
    job_id, fence = uuid4(), uuid4()
    await rows.execute(
        "INSERT INTO jobs.jobs (id, user_id, task_type, payload, status, max_attempts, source,"
        " correlation_id, billable, finished_at)"
        " VALUES ($1, $2, 'echo', '{}', 'FAILED', 3, 'api', 'c', true, now())",
        job_id,
        user,
    )
    await rows.execute(
        "INSERT INTO jobs.job_attempts (job_id, fence, attempt) VALUES ($1, $2, 1)", job_id, fence
    )

    def opened_(seconds: float = 30, **changes: object) -> CircuitOpened:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        reported = CircuitOpened(
            target="llm", until=until, job_id=job_id, fence=fence, task_type="echo"
        )
        return reported.model_copy(update=changes)

    return opened_


async def test_a_paused_type_waits_and_holds_up_no_other_of_the_same_user(
    apply_pauses: ApplyPauses,
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
) -> None:
    await run_commands(*(submit_job(user, plan=Plan.PRO, priority=0, **BROWSE) for _ in range(300)))
    echo = submit_job(user, plan=Plan.PRO)
    await run_commands(echo)
    await apply_pauses(PauseTask(task_type=BROWSE["task_type"]))
    assert [job.envelope.job_id for job in (await run_tick()).picked] == [echo.job_id]
    assert (await run_tick()).picked == []
    await apply_pauses(ResumeTask(task_type=BROWSE["task_type"]))
    assert len((await run_tick()).picked) == 19


async def test_a_name_that_is_no_task_type_makes_no_row(
    apply_pauses: ApplyPauses, opened: OpenedCircuit, rows: asyncpg.Connection
) -> None:
    await apply_pauses(opened(task_type="juggle"))
    with pytest.raises(TaskTypeNotFound):
        await apply_pauses(PauseTask(task_type="juggle"))
    assert await rows.fetchval("SELECT count(*) FROM jobs.pauses") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"task_type": BROWSE["task_type"]},
        {"fence": uuid4()},
        {"job_id": uuid4()},
        {"job_id": None, "fence": None},
    ],
)
async def test_a_worker_pauses_no_type_but_that_of_a_run_it_was_given(
    apply_pauses: ApplyPauses,
    opened: OpenedCircuit,
    rows: asyncpg.Connection,
    changes: dict[str, Any],
) -> None:
    await apply_pauses(opened(**changes))
    assert await rows.fetchval("SELECT count(*) FROM jobs.pauses") == 0
    await apply_pauses(opened())
    assert await rows.fetchval("SELECT task_type FROM jobs.pauses") == "echo"


async def test_a_redelivered_pause_is_not_applied_after_its_end(
    apply_pauses: ApplyPauses, database: Database, rows: asyncpg.Connection
) -> None:
    sent_at: datetime = await rows.fetchval("SELECT clock_timestamp()")
    await apply_pauses(PauseTask(task_type="echo"), ResumeTask(task_type="echo"))
    set_pauses = SetPauses(PostgresPauses(database), request_dispatch=lambda: None)
    await set_pauses.repeat(PauseTask(task_type="echo"), sent_at)
    assert await PostgresPauses(database).find_paused() == frozenset()


async def test_a_pause_and_its_end_may_be_published_again(
    apply_pauses: ApplyPauses, rows: asyncpg.Connection
) -> None:
    pauses = "SELECT reason, since, until FROM jobs.pauses ORDER BY reason"
    await apply_pauses(PauseTask(task_type="echo"))
    first = await rows.fetch(pauses)
    await apply_pauses(PauseTask(task_type="echo"))
    assert await rows.fetch(pauses) == first
    await apply_pauses(ResumeTask(task_type="echo"))
    over = await rows.fetch(pauses)
    await apply_pauses(ResumeTask(task_type="echo"))
    assert await rows.fetch(pauses) == over
    await apply_pauses(PauseTask(task_type="echo"))
    [anew] = await rows.fetch(pauses)
    assert anew["until"] is None
    assert anew["since"] > over[0]["until"]


async def test_an_open_circuit_is_a_pause_that_ends_by_itself(
    apply_pauses: ApplyPauses,
    opened: OpenedCircuit,
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    await apply_pauses(opened())
    assert (await run_tick()).picked == []
    await rows.execute("UPDATE jobs.pauses SET until = now() - interval '1 ms'")
    assert len((await run_tick()).picked) == 1


@pytest.mark.parametrize("seconds", [-1, 0.0])
async def test_old_news_of_a_circuit_pauses_nothing(
    apply_pauses: ApplyPauses, opened: OpenedCircuit, rows: asyncpg.Connection, seconds: float
) -> None:
    await apply_pauses(opened(seconds))
    assert await rows.fetchval("SELECT count(*) FROM jobs.pauses") == 0


async def test_no_worker_pauses_a_task_for_long_and_none_shortens_the_news_of_another(
    apply_pauses: ApplyPauses, opened: OpenedCircuit, rows: asyncpg.Connection
) -> None:
    left = "SELECT until - now() FROM jobs.pauses"
    await apply_pauses(opened(86_400), opened(5))
    assert timedelta(minutes=4) < await rows.fetchval(left) <= timedelta(minutes=5)


async def test_a_circuit_does_not_end_what_an_operator_began(
    apply_pauses: ApplyPauses,
    opened: OpenedCircuit,
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    await apply_pauses(PauseTask(task_type="echo"), opened())
    await rows.execute("UPDATE jobs.pauses SET until = now() WHERE reason = 'circuit'")
    assert (await run_tick()).picked == []
    await apply_pauses(ResumeTask(task_type="echo"))
    assert len((await run_tick()).picked) == 1


async def test_what_rests_holds_the_replays_of_its_topic(
    apply_pauses: ApplyPauses, opened: OpenedCircuit, database: Database
) -> None:
    pauses = PostgresPauses(database)
    await apply_pauses(PauseTask(task_type=BROWSE["task_type"]), opened())
    assert await pauses.find_paused() == {"jobs.browser", "jobs.generic"}
    await apply_pauses(ResumeTask(task_type="echo"))
    assert await pauses.find_paused() == {"jobs.browser"}


async def test_a_service_is_paused_by_a_command_and_goes_on_at_once(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    read_envelopes: ReadEnvelopes,
    rows: asyncpg.Connection,
) -> None:
    await start_service()
    await gateway.call(PauseTask(task_type="echo"))
    reply = await gateway.submit(user)
    assert await rows.fetchval("SELECT count(*) FROM jobs.pauses WHERE until IS NULL") == 1
    assert await read_envelopes() == []
    await gateway.call(ResumeTask(task_type="echo"))
    await wait_until(read_envelopes)
    [envelope] = await read_envelopes()
    assert str(envelope.job_id) == reply.data["job_id"]


async def test_a_pause_outlives_redis(
    start_service: StartService,
    run_commands: RunCommands,
    submit_job: BuildJob,
    apply_pauses: ApplyPauses,
    user: UUID,
    run_tick: RunTick,
    rows: asyncpg.Connection,
) -> None:
    """Pauses are in the database: a fleet that starts on an empty broker still obeys them."""
    await apply_pauses(PauseTask(task_type="echo"))
    await run_commands(submit_job(user))
    running = await start_service()

    async def has_measured() -> bool:
        return await rows.fetchval("SELECT count(*) FROM jobs.queue_stats") > 0

    await wait_until(has_measured)
    await running.end()
    assert await rows.fetchval("SELECT count(dispatched_at) FROM jobs.jobs") == 0
    await apply_pauses(ResumeTask(task_type="echo"))
    assert len((await run_tick()).picked) == 1


async def test_an_operator_pauses_with_the_services_own_image(
    start_service: StartService, environment: str, redis_url: str, rows: asyncpg.Connection
) -> None:
    await start_service()
    given = os.environ | {"ENVIRONMENT": "test", "REDIS_URL": redis_url}
    given.pop("DATABASE_URL", None)
    settings = load_settings(OperatorSettings, given).model_copy(
        update={"environment": environment}
    )
    for command, left in ((PauseTask, 1), (ResumeTask, 0)):
        await send_command(settings, command(task_type="echo"))

        async def is_done(left: int = left) -> bool:
            sql = "SELECT count(*) FILTER (WHERE until IS NULL), count(*) FROM jobs.pauses"
            row = await rows.fetchrow(sql)
            return row is not None and tuple(row) == (left, 1)

        await wait_until(is_done)


async def test_only_what_is_in_the_catalogue_can_be_paused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["pause", "no_such_task"])
    assert "navigate_and_extract_text" in capsys.readouterr().err
