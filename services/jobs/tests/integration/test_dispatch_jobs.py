"""Dispatch: which jobs are selected, what is stored, and what happens to their envelopes."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    ReadEnvelopes,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import CancelJob, Plan, get_task
from msaas.jobs.adapters.postgres.dispatch import ADVISORY_LOCK, PostgresDispatch
from msaas.jobs.application.ports import TickResult
from msaas.postgres import Database
from msaas.streams import BrokerUnavailable
from msaas.testing import wait_until

BROWSE = "navigate_and_extract_text"
PAGE = {"url": "https://example.com"}


def picked_by_user(tick: TickResult) -> Counter[UUID]:
    return Counter(job.envelope.meta.user_id for job in tick.picked)


async def test_a_tick_follows_a_submit_and_leaves_the_entry_on_the_row(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
) -> None:
    running = await start_service()
    reply = await gateway.submit(user)
    await wait_until(read_envelopes)

    async def entry() -> str | None:
        return await rows.fetchval("SELECT entry_id FROM jobs.jobs")

    entry_id = await wait_until(entry)
    [envelope] = await read_envelopes()
    assert str(envelope.job_id) == reply.data["job_id"]
    assert await running.service.messenger.find_entries("jobs.generic", [str(entry_id)])


async def test_each_pick_writes_a_new_fence_and_an_attempt(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    for _ in range(2):
        await run_tick()
        await rows.execute("UPDATE jobs.jobs SET dispatched_at = NULL, fence = NULL")
    assert await rows.fetchval("SELECT count(DISTINCT fence) FROM jobs.job_attempts") == 2
    await run_tick()
    row = await rows.fetchrow("SELECT * FROM jobs.jobs JOIN jobs.job_attempts USING (fence)")
    assert row is not None
    assert (row["status"], row["attempt"], row["outcome"]) == ("PENDING", 0, None)


async def test_an_envelope_contains_all_that_a_worker_needs(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
) -> None:
    deadline = datetime(2100, 1, 1, tzinfo=UTC)
    command = submit_job(user, plan=Plan.PRO, deadline_ts=deadline)
    await run_commands(command)
    [pick] = (await run_tick()).picked
    [envelope] = workers.sent
    assert (envelope.job_id, envelope.fence) == (command.job_id, pick.envelope.fence)
    assert (envelope.task_type, envelope.payload) == (command.task_type, command.payload)
    assert (envelope.attempts, envelope.max_attempts) == (0, get_task("echo").max_attempts)
    meta = envelope.meta
    assert (meta.user_id, meta.plan, meta.deadline_ts) == (user, Plan.PRO, deadline)
    assert (meta.correlation_id, meta.source) == ("test", command.source)
    assert meta.valid_until == pick.dispatched_at + get_task("echo").valid_for
    assert meta.enqueue_ts <= pick.dispatched_at


async def test_a_user_holds_as_many_slots_as_the_plan_has_and_each_is_a_row(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(*(submit_job(user) for _ in range(6)))
    first = (await run_tick()).picked
    assert len(first) == 2
    assert (await run_tick()).picked == []
    ended, waiting = (job.envelope.job_id for job in first)
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'FAILED', finished_at = now(), reserved = false"
        " WHERE id = $1",
        ended,
    )
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'RUNNING', fence = NULL, waiting_for = '{}' WHERE id = $1",
        waiting,
    )
    assert len((await run_tick()).picked) == 2


async def test_an_override_gives_a_user_other_slots_and_an_erasing_one_has_none(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    add_user: AddUser,
    rows: asyncpg.Connection,
) -> None:
    more, gone = await add_user(), await add_user()
    await run_commands(*(submit_job(item) for item in (more, gone) for _ in range(5)))
    await rows.execute(
        "UPDATE jobs.subjects SET overrides = '{\"slots\": 3}' WHERE user_id = $1", more
    )
    await rows.execute("UPDATE jobs.subjects SET erasing_at = now() WHERE user_id = $1", gone)
    assert picked_by_user(await run_tick()) == {more: 3}


async def test_only_what_is_due_is_picked(
    run_commands: RunCommands, submit_job: BuildJob, run_tick: RunTick, user: UUID
) -> None:
    later = submit_job(user, priority=0, run_at=datetime.now(UTC) + timedelta(hours=1))
    now = submit_job(user)
    await run_commands(later, now)
    assert [job.envelope.job_id for job in (await run_tick()).picked] == [now.job_id]


async def test_within_a_user_priority_goes_first_and_then_time(
    run_commands: RunCommands, submit_job: BuildJob, run_tick: RunTick, user: UUID
) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    plain, older, urgent = (
        submit_job(user),
        submit_job(user, run_at=past),
        submit_job(user, priority=1),
    )
    await run_commands(plain, older, urgent)
    assert {job.envelope.job_id for job in (await run_tick()).picked} == {
        urgent.job_id,
        older.job_id,
    }


async def test_a_flood_of_one_user_does_not_keep_another_waiting(
    run_commands: RunCommands, submit_job: BuildJob, run_tick: RunTick, add_user: AddUser
) -> None:
    flood, calm = await add_user(), await add_user()
    await run_commands(*(submit_job(flood, plan=Plan.PRO) for _ in range(50)))
    await run_commands(submit_job(calm, plan=Plan.PRO))
    assert picked_by_user(await run_tick(window=4)) == {flood: 3, calm: 1}


async def test_room_that_is_short_is_shared_by_the_weight_of_plans(
    run_commands: RunCommands, submit_job: BuildJob, run_tick: RunTick, add_user: AddUser
) -> None:
    users = {plan: await add_user() for plan in Plan}
    await run_commands(*(submit_job(users[plan], plan=plan) for plan in Plan for _ in range(30)))
    picked = picked_by_user(await run_tick(window=13))
    assert picked == {users[Plan.FREE]: 1, users[Plan.PRO]: 4, users[Plan.ENTERPRISE]: 8}


async def test_a_topic_holds_no_more_unread_envelopes_than_its_window(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(*(submit_job(user, plan=Plan.PRO) for _ in range(9)))
    assert len((await run_tick(window=5)).picked) == 5
    assert len((await run_tick(window=5)).picked) == 0
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'RUNNING', lease_until = now() WHERE id IN"
        " (SELECT id FROM jobs.jobs WHERE fence IS NOT NULL LIMIT 2)"
    )
    assert len((await run_tick(window=5)).picked) == 2


async def test_a_full_topic_does_not_hold_up_the_others_of_the_same_user(
    run_commands: RunCommands, submit_job: BuildJob, run_tick: RunTick, user: UUID
) -> None:
    page: dict[str, Any] = {"task_type": BROWSE, "payload": PAGE, "priority": 1}
    echo = submit_job(user, plan=Plan.PRO)
    await run_commands(*(submit_job(user, plan=Plan.PRO, **page) for _ in range(30)), echo)
    assert Counter(job.envelope.task_type for job in (await run_tick(window=3)).picked) == {
        page["task_type"]: 3
    }
    assert [job.envelope.job_id for job in (await run_tick(window=3)).picked] == [echo.job_id]


async def test_users_beyond_one_tick_have_their_turn_in_the_next(
    run_commands: RunCommands,
    submit_job: BuildJob,
    database: Database,
    add_user: AddUser,
) -> None:
    users = [await add_user() for _ in range(5)]
    await run_commands(*map(submit_job, users))
    store = PostgresDispatch(database, window=200, max_users=2)
    ticks = [await store.pick(1) for _ in range(3)]
    assert [len(tick.picked) for tick in ticks] == [2, 2, 1]
    assert [tick.has_more for tick in ticks] == [True, True, False]


async def test_one_tick_at_a_time_in_the_whole_fleet(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    async with rows.transaction():
        await rows.execute("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
        assert await run_tick() == TickResult(is_busy=True)
    assert len((await run_tick()).picked) == 1


async def test_two_replicas_dispatch_each_job_once(
    gateway: Gateway,
    start_service: StartService,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
) -> None:
    for _ in range(2):
        await start_service()
    users = [await add_user() for _ in range(20)]
    await asyncio.gather(*(gateway.submit(user) for user in users * 2))

    async def are_all_stored() -> bool:
        return await rows.fetchval("SELECT count(entry_id) FROM jobs.jobs") == 40

    await wait_until(are_all_stored)
    assert len({envelope.job_id for envelope in await read_envelopes()}) == 40
    assert await rows.fetchval("SELECT count(*) FROM jobs.job_attempts") == 40


async def test_a_job_that_another_transaction_holds_is_left_for_the_next_tick(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    held, free = submit_job(user), submit_job(user)
    await run_commands(held, free)
    async with rows.transaction():
        await rows.execute("SELECT FROM jobs.jobs WHERE id = $1 FOR UPDATE", held.job_id)
        assert [job.envelope.job_id for job in (await run_tick()).picked] == [free.job_id]
    assert [job.envelope.job_id for job in (await run_tick()).picked] == [held.job_id]


async def test_no_job_is_selected_while_redis_is_unavailable(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    workers.is_unavailable = True
    with pytest.raises(BrokerUnavailable):
        await run_tick()
    assert await rows.fetchval("SELECT count(dispatched_at) FROM jobs.jobs") == 0


async def test_an_envelope_that_a_full_topic_drops_is_left_to_the_sweeper(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user), submit_job(user))
    workers.capacity = 1
    await run_tick()
    states = await rows.fetch("SELECT fence, entry_id FROM jobs.jobs")
    assert all(state["fence"] and state["entry_id"] for state in states)
    assert len(workers.sent) == 1


async def test_a_job_that_is_cancelled_before_its_entry_exists_is_marked_before_it_does(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = submit_job(user)
    await run_commands(command)
    send = workers.send

    marked: list[set[UUID]] = []

    async def cancelled_first(*args: Any) -> bool:
        await run_commands(CancelJob(job_id=command.job_id, user_id=user))
        marked.append(set(workers.marked))
        return await send(*args)

    monkeypatch.setattr(workers, "send", cancelled_first)
    await run_tick()
    assert marked == [{command.job_id}], "a worker looks for the mark before it begins"
