"""A failed job is a dead letter: listed with the others, retried within the quota, resolved."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import BuildJob, Gateway, RunCommands, StartService, code_of

from msaas.contracts import (
    ListDeadLetters,
    Message,
    Plan,
    ReplayDeadLetters,
    Reply,
    ResolveDeadLetters,
    ShowDeadLetter,
    build_dead_letter,
    get_topic,
)
from msaas.kernel import new_id
from msaas.streams import Write
from msaas.testing import build_submit_job, wait_until

OPERATOR = uuid4()
SECRET = "hunter2"
FAIL = """
WITH failed AS (
  UPDATE jobs.jobs SET
    status = 'FAILED', attempts = 3, finished_at = clock_timestamp(), reserved = false,
    fence = NULL, entry_id = NULL, dispatched_at = NULL,
    failure_reason = 'navigation_failed', last_error = 'No such host.'
  WHERE id = $1
)
UPDATE jobs.usage_counters SET jobs_reserved = 0
"""

FailJob = Callable[[], Awaitable[UUID]]


@pytest.fixture
def fail_job(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> FailJob:
    async def fail() -> UUID:
        command = submit_job(user, plan=Plan.FREE, payload={"message": SECRET})
        await run_commands(command)
        await rows.execute(FAIL, command.job_id)
        return command.job_id

    return fail


def replay(*letters: UUID) -> ReplayDeadLetters:
    return ReplayDeadLetters(replay_id=new_id(), letters=letters, asked_by=OPERATOR)


async def answer(gateway: Gateway, command: Message) -> Reply:
    reply = await gateway.call(command)
    assert reply.ok
    return reply


async def test_a_failed_job_is_listed_and_shown_without_what_its_user_gave(
    gateway: Gateway, start_service: StartService, fail_job: FailJob
) -> None:
    job = await fail_job()
    await start_service()
    [listed] = (await answer(gateway, ListDeadLetters())).data["items"]
    assert (listed["id"], listed["class"], listed["topic"], listed["name"], listed["error"]) == (
        *(str(job), "job"),
        *("jobs.generic", "echo", "navigation_failed"),
    )
    shown = (await answer(gateway, ShowDeadLetter(letter_id=job))).data
    assert shown["body"]["last_error"] == "No such host."
    assert SECRET not in str(shown)
    none = (await answer(gateway, ListDeadLetters(topic="jobs.browser"))).data["items"]
    assert none == []
    assert code_of(await gateway.call(ShowDeadLetter(letter_id=uuid4()))) == "not_found"


async def test_it_is_retried_and_is_a_dead_letter_no_more(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    job = await fail_job()
    await start_service()
    [item] = (await answer(gateway, replay(job))).data["items"]
    assert item == {"id": str(job), "ok": True, "outcome": "replayed"}
    row = await rows.fetchrow("SELECT status, attempts, reserved FROM jobs.jobs")
    assert row is not None
    assert tuple(row) == ("PENDING", 0, True)
    assert (await answer(gateway, ListDeadLetters())).data["items"] == []
    [item] = (await answer(gateway, replay(job))).data["items"]
    assert item["problem"]["code"] == "not_found"


async def test_the_same_command_twice_begins_it_once(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    command = replay(await fail_job())
    await start_service()
    first, second = await answer(gateway, command), await answer(gateway, command)
    assert first.data == second.data
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 1
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 1


async def test_over_its_users_quota_it_stays_failed_and_no_replay_is_counted(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    job = await fail_job()
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = jobs_limit")
    await start_service()
    [item] = (await answer(gateway, replay(job))).data["items"]
    assert (item["ok"], item["problem"]["code"]) == (False, "quota_exceeded")
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == "FAILED"
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 0


async def test_it_is_retried_three_times_at_most(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    job = await fail_job()
    await start_service()
    outcomes: list[bool] = []
    for _ in range(4):
        [item] = (await answer(gateway, replay(job))).data["items"]
        outcomes.append(item["ok"])
        await rows.execute(FAIL, job)
    assert outcomes == [True, True, True, False]


async def test_a_closed_failure_opens_again_when_the_job_fails_again(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    job = await fail_job()
    await start_service()
    close = ResolveDeadLetters(letters=(job,), reason="The site is gone.", asked_by=OPERATOR)
    [item] = (await answer(gateway, close)).data["items"]
    assert item == {"id": str(job), "ok": True, "outcome": "resolved"}
    assert (await answer(gateway, ListDeadLetters())).data["items"] == []
    [item] = (await answer(gateway, replay(job))).data["items"]
    assert item["problem"]["code"] == "conflict"
    await rows.execute(FAIL, job)
    [listed] = (await answer(gateway, ListDeadLetters())).data["items"]
    assert (listed["id"], listed["state"]) == (str(job), "open")


async def test_a_dead_letter_is_replayed_by_the_timer_while_a_batch_of_commands_is_handled(
    gateway: Gateway,
    start_service: StartService,
    environment: str,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    """Dead-letter a submission without a sender; the service stores it and replays it when due."""
    topic = get_topic("jobs.commands")
    command = build_submit_job(user_id=user, plan=Plan.FREE, payload={"message": SECRET})
    fields = {
        b"id": str(new_id()).encode(),
        b"type": b"SubmitJob",
        b"v": b"1",
        b"correlation_id": b"test",
        b"ts": b"2026-01-01T00:00:00Z",
        b"data": command.model_dump_json().encode(),
    }
    at = command.job_id
    dead_letter = build_dead_letter(
        topic,
        fields,
        entry_id="1-1",
        error="KeyError",
        kind="transient",
        deliveries=5,
        at=(await rows.fetchval("SELECT now()")),
    )
    broker = gateway.messenger.context.broker
    await broker.commit([Write(topic.dead_letter_key(environment, "jobs"), dead_letter)])
    await start_service()

    async def is_due() -> bool:
        # The delay is random; the test does not wait for it.
        return bool(
            await rows.fetchval("UPDATE jobs.dead_letter_replays SET due_at = now() RETURNING true")
        )

    await wait_until(is_due)
    submissions = [asyncio.create_task(gateway.submit(user)) for _ in range(3)]
    await wait_until(lambda: rows_have(rows, at))
    assert all(reply.ok for reply in await asyncio.gather(*submissions))
    state = await rows.fetchrow("SELECT replay_count, reason FROM jobs.message_dead_letters")
    assert state is not None
    assert tuple(state) == (1, None)


async def rows_have(rows: asyncpg.Connection, job: UUID) -> bool:
    return await rows.fetchval("SELECT true FROM jobs.jobs WHERE id = $1", job) is True


async def test_an_account_that_stays_locked_refuses_its_job_for_now(
    gateway: Gateway, start_service: StartService, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    job = await fail_job()
    await start_service()
    async with rows.transaction():
        await rows.execute("SELECT FROM jobs.subjects FOR UPDATE")
        [item] = (await answer(gateway, replay(job))).data["items"]
    assert (item["ok"], item["problem"]["retryable"]) == (False, True)
    [item] = (await answer(gateway, replay(job))).data["items"]
    assert item["outcome"] == "replayed"
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 1
