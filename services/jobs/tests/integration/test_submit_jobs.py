"""Intake: accepted jobs are committed once for each id and key, and never over the limit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    Gateway,
    OpenBroker,
    ReadTopic,
    RunCommands,
    StartService,
    code_of,
)

from msaas.contracts import CancelJob, Idempotency, JobStatus, Plan, get_topic
from msaas.jobs.application.command_batch import CommandOutcome
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.kernel import MsaasError
from msaas.messaging import OutgoingMessage
from msaas.streams import StreamConsumer
from msaas.testing import wait_until

KEY = Idempotency(key="order-1", fingerprint="ab" * 32)
WAITING = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database())"
)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def codes(processed: ProcessedCommands) -> list[str]:
    return [
        transition.code if isinstance(transition, MsaasError) else str(transition.reply["status"])
        for transition in processed.outcomes
    ]


def answers(processed: ProcessedCommands) -> list[dict[str, object]]:
    return [outcome.reply for outcome in processed.outcomes if isinstance(outcome, CommandOutcome)]


async def read_counters(rows: asyncpg.Connection, user: UUID) -> list[asyncpg.Record]:
    """Read a user's periods, the latest first."""
    return await rows.fetch(
        "SELECT * FROM jobs.usage_counters WHERE user_id = $1 ORDER BY period_start DESC", user
    )


async def count_jobs(rows: asyncpg.Connection) -> int:
    return await rows.fetchval("SELECT count(*) FROM jobs.jobs")


async def test_a_job_is_committed_before_its_submitter_is_published(
    gateway: Gateway, start_service: StartService, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    job_id = uuid4()
    reply = await gateway.submit(user, job_id=job_id)
    row = await rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", job_id)
    assert row is not None
    assert reply.data == {
        "job_id": str(job_id),
        "status": "PENDING",
        "version": 1,
        "created_at": row["created_at"].isoformat().replace("+00:00", "Z"),
        "replayed": False,
    }


async def test_each_new_job_is_announced(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    read_topic: Callable[[str], Awaitable[Sequence[Any]]],
) -> None:
    await start_service()
    replies = await asyncio.gather(*(gateway.submit(user) for _ in range(2)))
    events = await read_topic("jobs.events")
    assert {str(event.frame.id) for event in events} == {reply.data["job_id"] for reply in replies}
    assert {
        (its_event.frame.status, its_event.version, its_event.user_id) for its_event in events
    } == {(JobStatus.PENDING, 1, user)}


async def test_a_hundred_parallel_submits_with_one_key_are_one_job(
    gateway: Gateway, start_service: StartService, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    await start_service()
    replies = await asyncio.gather(*(gateway.submit(user, idempotency=KEY) for _ in range(100)))
    assert await count_jobs(rows) == 1
    assert all(reply.ok for reply in replies)
    assert len({reply.data["job_id"] for reply in replies}) == 1
    assert sum(not reply.data["replayed"] for reply in replies) == 1
    assert (await read_counters(rows, user))[0]["jobs_reserved"] == 1


async def test_a_hundred_parallel_submits_without_a_key_are_a_hundred_jobs(
    gateway: Gateway, start_service: StartService, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    await start_service()
    replies = await asyncio.gather(*(gateway.submit(user) for _ in range(100)))
    assert await count_jobs(rows) == 100
    assert len({reply.data["job_id"] for reply in replies}) == 100


async def test_a_limit_holds_to_the_job_under_concurrency(
    gateway: Gateway, start_service: StartService, add_user: AddUser, rows: asyncpg.Connection
) -> None:
    """Two replicas, overlapping users, batches in any order: no deadlock, no job too many."""
    for _ in range(2):
        await start_service()
    users = [await add_user() for _ in range(3)]
    replies = await asyncio.gather(
        *(gateway.submit(users[number % 3]) for number in range(3 * 120))
    )
    refused = [reply for reply in replies if not reply.ok]
    assert {code_of(reply) for reply in refused} == {"quota_exceeded"}
    assert len(refused) == 60
    for user in users:
        [counter] = await read_counters(rows, user)
        assert (counter["jobs_reserved"], counter["jobs_used"]) == (100, 0)
    assert await rows.fetchval(DEADLOCKS) == 0


async def test_a_quota_refusal_reports_the_limit_and_its_reset(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(submit_job(user))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = 98")
    processed = await run_commands(submit_job(user), submit_job(user))
    assert codes(processed) == ["PENDING", "quota_exceeded"]
    [_, refusal] = processed.outcomes
    assert isinstance(refusal, MsaasError)
    month = datetime.now(UTC).month % 12 + 1
    assert datetime.fromisoformat(str(refusal.context.pop("resets_at"))).month == month
    figures = {"limit": 100, "used": 98, "reserved": 2}
    assert refusal.context == {**figures, "upgrade_url": "/billing", "blocked_by": "plan"}


async def test_commands_of_one_user_take_effect_in_their_order(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(submit_job(user))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = 98")
    first, second, third = (submit_job(user) for _ in range(3))
    cancel = CancelJob(job_id=first.job_id, user_id=user)
    processed = await run_commands(cancel, first, second, cancel, third)
    assert codes(processed) == ["not_found", "PENDING", "quota_exceeded", "CANCELLED", "PENDING"]
    assert [
        (snapshot.status, snapshot.version)
        for snapshot in processed.snapshots
        if snapshot.id == first.job_id
    ] == [
        (JobStatus.PENDING, 1),
        (JobStatus.CANCELLED, 2),
    ]
    assert (await read_counters(rows, user))[0]["jobs_reserved"] == 2


async def test_enterprise_has_no_limit_and_an_override_wins_over_the_plan(
    run_commands: RunCommands, submit_job: BuildJob, add_user: AddUser, rows: asyncpg.Connection
) -> None:
    big, small = await add_user(), await add_user()
    await run_commands(submit_job(big, plan=Plan.ENTERPRISE), submit_job(small))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = 1000000 WHERE user_id = $1", big)
    await rows.execute("DELETE FROM jobs.usage_counters WHERE user_id = $1", small)
    one = "UPDATE jobs.subjects SET overrides = '{\"jobs_per_period\": 1}' WHERE user_id = $1"
    await rows.execute(one, small)
    processed = await run_commands(submit_job(big), submit_job(small), submit_job(small))
    assert codes(processed) == ["PENDING", "PENDING", "quota_exceeded"]


async def test_the_subject_is_created_with_the_plan_of_the_first_submit_and_keeps_it(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(submit_job(user, plan=Plan.PRO), submit_job(user, plan=Plan.FREE))
    await run_commands(submit_job(user, plan=Plan.FREE))
    subject = await rows.fetchrow("SELECT * FROM jobs.subjects WHERE user_id = $1", user)
    [counter] = await read_counters(rows, user)
    assert subject is not None
    assert subject["plan"] == counter["plan"] == "PRO"
    assert counter["jobs_limit"] == 10_000
    assert subject["subject_id"] not in {user, None}


async def test_each_job_holds_a_reservation_in_the_present_period(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    command = submit_job(user)
    await run_commands(command)
    job = await rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", command.job_id)
    [counter] = await read_counters(rows, user)
    assert job is not None
    assert job["reserved"]
    assert job["usage_period"] == counter["period_start"]


async def test_past_the_end_of_a_period_the_next_one_opens_beside_it(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(submit_job(user, plan=Plan.PRO))
    for table in ("subjects", "usage_counters"):
        await rows.execute(
            f"UPDATE jobs.{table} SET period_start = period_start - interval '70 days',"
            " period_end = period_end - interval '40 days'"
        )
    await run_commands(submit_job(user), submit_job(user))
    now = datetime.now(UTC)
    new, old = await read_counters(rows, user)
    subject = await rows.fetchrow("SELECT * FROM jobs.subjects")
    assert subject is not None
    assert (old["jobs_reserved"], new["jobs_reserved"]) == (1, 2)
    assert old["period_end"] <= new["period_start"] <= now < new["period_end"]
    assert (subject["period_start"], subject["period_end"]) == (
        new["period_start"],
        new["period_end"],
    )


async def test_a_key_answers_with_its_first_job_also_within_one_batch(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    first = submit_job(user, idempotency=KEY)
    processed = await run_commands(first, submit_job(user, idempotency=KEY))
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'COMPLETED', finished_at = now(), reserved = false"
    )
    later = await run_commands(submit_job(user, idempotency=KEY))
    reports = [*answers(processed), *answers(later)]
    assert [(report["job_id"], report["status"], report["replayed"]) for report in reports] == [
        (first.job_id, "PENDING", False),
        (first.job_id, "PENDING", True),
        (first.job_id, "COMPLETED", True),
    ]
    assert await count_jobs(rows) == 1


async def test_a_key_is_refused_for_another_body_and_free_for_another_user_or_item(
    run_commands: RunCommands, submit_job: BuildJob, add_user: AddUser
) -> None:
    one, other = await add_user(), await add_user()
    await run_commands(submit_job(one, idempotency=KEY))
    processed = await run_commands(
        submit_job(one, idempotency=KEY.model_copy(update={"fingerprint": "cd" * 32})),
        submit_job(one, idempotency=KEY.model_copy(update={"item": 1})),
        submit_job(other, idempotency=KEY),
    )
    assert codes(processed) == ["idempotency_mismatch", "PENDING", "PENDING"]


async def test_a_redelivered_command_is_answered_as_before_and_changes_nothing(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    command = submit_job(user)
    before = await run_commands(command, command)
    await rows.execute("UPDATE jobs.jobs SET status = 'RUNNING'")
    after = await run_commands(command)
    assert answers(after) * 2 == answers(before)
    assert [(snapshot.status, snapshot.version) for snapshot in after.snapshots] == [
        (JobStatus.RUNNING, 2)
    ]
    assert await count_jobs(rows) == 1
    assert (await read_counters(rows, user))[0]["jobs_reserved"] == 1


async def test_an_id_of_another_users_job_is_refused(
    run_commands: RunCommands, submit_job: BuildJob, add_user: AddUser
) -> None:
    command = submit_job(await add_user())
    await run_commands(command)
    processed = await run_commands(submit_job(await add_user(), job_id=command.job_id))
    assert codes(processed) == ["conflict"]


async def test_only_erased_and_unknown_users_are_refused(
    run_commands: RunCommands, submit_job: BuildJob, add_user: AddUser, rows: asyncpg.Connection
) -> None:
    erasing, fine = await add_user(), await add_user()
    job = submit_job(erasing)
    await run_commands(job)
    await rows.execute("UPDATE jobs.subjects SET erasing_at = now()")
    processed = await run_commands(
        submit_job(uuid4()),
        submit_job(erasing),
        CancelJob(job_id=job.job_id, user_id=erasing),
        submit_job(fine),
        submit_job(uuid4()),
    )
    assert codes(processed) == ["not_found", "forbidden", "forbidden", "PENDING", "not_found"]


async def test_an_unknown_task_or_parent_is_refused(
    run_commands: RunCommands, submit_job: BuildJob, add_user: AddUser
) -> None:
    user, other = await add_user(), await add_user()
    parent, foreign = submit_job(user), submit_job(other)
    processed = await run_commands(
        parent,
        foreign,
        submit_job(user, task_type="conjure"),
        submit_job(user, parent_job_id=parent.job_id),
        submit_job(user, parent_job_id=foreign.job_id),
    )
    assert codes(processed) == ["PENDING", "PENDING", "validation_failed", "PENDING", "not_found"]


async def test_a_command_of_a_locked_user_is_retried_and_blocks_no_other(
    gateway: Gateway,
    start_service: StartService,
    run_commands: RunCommands,
    submit_job: BuildJob,
    add_user: AddUser,
    rows: asyncpg.Connection,
) -> None:
    users = [await add_user() for _ in range(4)]
    await run_commands(*map(submit_job, users))
    await start_service()
    async with rows.transaction():
        await rows.execute("SELECT FROM jobs.subjects WHERE user_id = $1 FOR UPDATE", users[1])
        locked, *others = await asyncio.gather(*(gateway.submit(user) for user in users[1:]))
    assert all(reply.ok for reply in others)
    assert locked.problem is not None
    assert (locked.problem.code, locked.problem.retryable) == ("conflict", True)


async def test_a_user_who_is_locked_briefly_gets_no_error(
    gateway: Gateway,
    start_service: StartService,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    schema_url: str,
) -> None:
    await run_commands(submit_job(user))
    await start_service()
    async with rows.transaction():
        await rows.execute("SELECT FROM jobs.subjects FOR UPDATE")
        submission = asyncio.create_task(gateway.submit(user))
        watch = await asyncpg.connect(schema_url)
        await wait_until(lambda: is_waiting(watch))
        await wait_until(lambda: has_timed_out(watch))
        await watch.close()
    assert (await submission).ok


async def is_waiting(watch: asyncpg.Connection) -> bool:
    return await watch.fetchval(WAITING)


async def has_timed_out(watch: asyncpg.Connection) -> bool:
    """Check that a wait was refused; another wait may have begun since."""
    return not await is_waiting(watch)


async def test_data_that_the_database_refuses_fails_alone(
    gateway: Gateway,
    start_service: StartService,
    submit_job: BuildJob,
    user: UUID,
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
) -> None:
    """The contract allows nothing that the database refuses, so the test adds a constraint."""
    await rows.execute("ALTER TABLE jobs.jobs ADD CHECK (priority <> 7)")
    bad = submit_job(user, priority=7)
    publish = gateway.messenger.publisher.publish
    submissions = [asyncio.create_task(gateway.submit(user)) for _ in range(5)]
    await publish("jobs.commands", bad, correlation_id="test")
    await start_service()
    assert all(reply.ok for reply in await asyncio.gather(*submissions))

    async def is_consumed() -> bool:
        return not await read_topic("jobs.commands")

    await wait_until(is_consumed)
    assert await count_jobs(rows) == 5


@pytest.mark.parametrize("count", [1, 200])
async def test_a_batch_of_any_size_is_one_transaction(
    count: int,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(*(submit_job(user, plan=Plan.PRO) for _ in range(count)))
    assert await rows.fetchval("SELECT count(DISTINCT xmin::text) FROM jobs.jobs") == 1
    assert await count_jobs(rows) == count


@pytest.mark.parametrize("was_committed", [False, True])
async def test_an_expired_command_that_is_redelivered_repeats_what_it_did_and_nothing_else(
    gateway: Gateway,
    open_broker: OpenBroker,
    start_service: StartService,
    submit_job: BuildJob,
    run_commands: RunCommands,
    environment: str,
    user: UUID,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
    *,
    was_committed: bool,
) -> None:
    """A replica reads the command and dies, before or after its commit."""
    command, broker = submit_job(user), open_broker()
    dead = StreamConsumer(get_topic("jobs.commands").key(environment), "jobs", "dead")
    await broker.ensure_group(dead)
    sent = OutgoingMessage(message=command, topic="jobs.commands", correlation_id="c", ttl_ms=1)
    await gateway.messenger.publisher.send(sent)
    assert len(await broker.read(dead, 10, 1.0)) == 1
    if was_committed:
        await run_commands(command)
    await start_service()

    async def is_done() -> bool:
        return await broker.depth(dead.key) == 0

    await wait_until(is_done)
    assert await count_jobs(rows) == was_committed
    events = [m for m in await read_topic("jobs.events") if m.frame.id == command.job_id]
    assert bool(events) == was_committed


async def test_a_payload_that_no_envelope_could_carry_is_refused(
    gateway: Gateway, start_service: StartService, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    steps = [{"do": "click", "selector": "x" * 260_000}]
    payload = {"url": "https://example.com", "steps": steps}
    reply = await gateway.submit(user, task_type="run_steps", plan=Plan.PRO, payload=payload)
    assert code_of(reply) == "payload_too_large"
    assert await count_jobs(rows) == 0
