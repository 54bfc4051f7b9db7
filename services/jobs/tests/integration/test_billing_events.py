"""Billing events in the database: plans and periods, reports and corrections, each once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    Gateway,
    Given,
    ReadCharges,
    ResultsHarness,
    RunCommands,
    RunTick,
    StartService,
    code_of,
)

from msaas.contracts import (
    AccountChanged,
    Message,
    Plan,
    SubscriptionChanged,
    UsageNoted,
    UsageReconciled,
    UsageReported,
)
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.billing_ports import BillingEvent
from msaas.jobs.domain.errors import CorrectionTooLarge, PeriodNotFound, SubjectNotFound
from msaas.kernel import MsaasError, RetryPolicy
from msaas.messaging import OutgoingMessage
from msaas.postgres import Database, PoolExhausted, TransactionConflict
from msaas.telemetry import Metrics

PassTime = Callable[[UUID, timedelta], Awaitable[None]]

DAY = timedelta(days=1)
LIMITS = {Plan.FREE: 100, Plan.PRO: 10_000, Plan.ENTERPRISE: None}
CHAIN = """
SELECT count(*) = max(seq) AND bool_and(hash = jobs.usage_hash(
  subject_id, seq, job_id, quantity, occurred_at, prev_hash
)) FROM jobs.usage_events WHERE user_id = $1
"""
DRIFTED = """
SELECT count(*) FROM jobs.usage_counters c
WHERE jobs_used <> (
  SELECT coalesce(sum(quantity), 0) FROM jobs.usage_events e
  WHERE (e.subject_id, e.period_start) = (c.subject_id, c.period_start)
    AND kind IN ('job_completed', 'reconciliation_adjustment')
) OR jobs_reserved <> (
  SELECT count(*) FROM jobs.jobs j
  WHERE (j.user_id, j.usage_period) = (c.user_id, c.period_start) AND reserved
)
"""
SHIFT_COUNTERS = """
UPDATE jobs.usage_counters SET period_start = period_start - $2::interval,
  period_end = period_end - $2::interval WHERE user_id = $1
"""
SHIFT_SUBJECT = """
UPDATE jobs.subjects SET period_start = period_start - $2::interval,
  period_end = period_end - $2::interval, paid_until = paid_until - $2::interval WHERE user_id = $1
"""
SHIFT_JOBS = "UPDATE jobs.jobs SET usage_period = usage_period - $2::interval WHERE user_id = $1"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

ApplyEvents = Callable[..., Awaitable[list[OutgoingMessage]]]


@pytest.fixture
def apply_events(database: Database) -> ApplyEvents:
    apply = ApplyBilling(
        PostgresStore(database, PostgresBilling),
        Metrics("jobs", "test"),
        request_dispatch=lambda: None,
    )

    async def apply_messages(*facts: Any) -> list[OutgoingMessage]:
        return await apply([BillingEvent(message=event, correlation_id="test") for event in facts])

    return apply_messages


@pytest.fixture
def pass_time(rows: asyncpg.Connection) -> PassTime:
    """Let time pass for one user by moving the user's periods back."""

    async def pass_(user: UUID, time: timedelta) -> None:
        async with rows.transaction():
            for statement in (SHIFT_SUBJECT, SHIFT_COUNTERS, SHIFT_JOBS):
                await rows.execute(statement, user, time)

    return pass_


def change(user: UUID, plan: Plan, version: int = 1, **fields: Any) -> SubscriptionChanged:
    now = datetime.now(UTC)
    period: dict[str, Any] = {"period_start": now - DAY / 24, "period_end": now + 30 * DAY}
    fields_: dict[str, Any] = {"status": "active", "jobs_limit": LIMITS[plan]}
    fields_ |= period if plan is not Plan.FREE else {}
    return SubscriptionChanged(user_id=user, plan=plan, version=version, **fields_ | fields)


def pick(outgoing: Sequence[OutgoingMessage], kind: type[Message]) -> list[Any]:
    return [
        outgoing_message.message
        for outgoing_message in outgoing
        if isinstance(outgoing_message.message, kind)
    ]


def codes(processed: Any) -> list[str]:
    return [
        outcome.code if isinstance(outcome, MsaasError) else str(outcome.reply["status"])
        for outcome in processed.outcomes
    ]


async def counters(rows: asyncpg.Connection, user: UUID) -> list[tuple[str, int, int, int | None]]:
    """Read plan, used, reserved and limit of a user's periods, the oldest first."""
    found = await rows.fetch(
        "SELECT plan, jobs_used, jobs_reserved, jobs_limit FROM jobs.usage_counters"
        " WHERE user_id = $1 ORDER BY period_start",
        user,
    )
    return [tuple(row.values()) for row in found]


async def find_subject(rows: asyncpg.Connection, user: UUID) -> UUID:
    return await rows.fetchval("SELECT subject_id FROM jobs.subjects WHERE user_id = $1", user)


async def test_an_upgrade_is_in_force_at_once_and_the_month_of_free_is_closed(
    apply_events: ApplyEvents,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    jobs = [submit_job(user, plan=Plan.FREE) for _ in range(101)]
    assert codes(await run_commands(*jobs)).count("quota_exceeded") == 1
    published = await apply_events(change(user, Plan.PRO))
    assert codes(await run_commands(jobs[-1])) == ["PENDING"]
    assert await counters(rows, user) == [("FREE", 0, 100, 100), ("PRO", 0, 1, 10_000)]
    [account] = pick(published, AccountChanged)
    assert (account.account.plan, account.account.jobs_limit) == (Plan.PRO, 10_000)
    [entry] = pick(published, UsageNoted)
    assert (entry.kind, entry.quantity) == ("plan_changed", 0)


async def test_a_repeated_event_changes_nothing_and_publishes_the_same_state(
    apply_events: ApplyEvents, user: UUID, rows: asyncpg.Connection
) -> None:
    fact = change(user, Plan.PRO, stripe_event_id="evt_1")
    assert await apply_events(fact, fact) == await apply_events(fact) == await apply_events(fact)
    assert await rows.fetchval("SELECT count(*) FROM jobs.usage_events") == 1
    assert await rows.fetchval(CHAIN, user)


@pytest.mark.parametrize("seed", range(4))
async def test_the_newest_plan_wins_in_any_order_of_delivery(
    seed: int, apply_events: ApplyEvents, user: UUID, rows: asyncpg.Connection
) -> None:
    plans = [Plan.PRO, Plan.ENTERPRISE, Plan.PRO, Plan.ENTERPRISE]
    facts = [change(user, plan, version) for version, plan in enumerate(plans, start=1)]
    rng = random.Random(seed)  # noqa: S311  # another order, the same in each run
    shuffled = rng.sample(facts * 2, 8)
    for start in range(0, 8, 2):
        await apply_events(*shuffled[start : start + 2])
    assert await rows.fetchval("SELECT (plan, plan_version) FROM jobs.subjects") == (
        "ENTERPRISE",
        4,
    )
    assert (await counters(rows, user))[-1] == ("ENTERPRISE", 0, 0, None)


async def test_a_downgrade_waits_for_the_end_of_the_period_and_holds_from_then_on(
    apply_events: ApplyEvents,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    pass_time: PassTime,
) -> None:
    await apply_events(change(user, Plan.PRO))
    published = await apply_events(change(user, Plan.FREE, 2, status="canceled"))
    assert pick(published, AccountChanged)[0].account.plan is Plan.PRO
    assert codes(await run_commands(*[submit_job(user) for _ in range(101)])) == ["PENDING"] * 101
    await pass_time(user, 30 * DAY + DAY / 24)
    again = await run_commands(*[submit_job(user) for _ in range(101)])
    assert codes(again) == ["PENDING"] * 100 + ["quota_exceeded"]
    assert await counters(rows, user) == [("PRO", 0, 101, 10_000), ("FREE", 0, 100, 100)]
    row = await rows.fetchrow("SELECT plan, next_plan, terms FROM jobs.subjects")
    assert row is not None
    assert tuple(row.values()) == ("FREE", None, "{}")


async def test_a_job_of_the_first_month_that_ends_in_the_second_counts_in_the_first(
    apply_events: ApplyEvents,
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    charges: ReadCharges,
) -> None:
    runs = await given.runs(3, plan="FREE")
    user = runs[0].user
    await rows.execute("UPDATE jobs.usage_counters SET period_end = now() + interval '1 hour'")
    await apply_events(change(user, Plan.PRO))
    first, second, third = runs
    [charge] = charges(await results.persist(first.succeeded(), second.failed(retryable=False)))
    assert charge.plan is Plan.FREE  # usage on FREE, which is not reported
    assert (await counters(rows, user))[0][1:3] == (1, 1)
    await results.persist(third.succeeded())
    assert [counter[:3] for counter in await counters(rows, user)] == [
        ("FREE", 2, 0),
        ("PRO", 0, 0),
    ]
    assert await rows.fetchval(CHAIN, user)
    assert await rows.fetchval(DRIFTED) == 0


async def test_past_its_end_a_period_goes_on_provisionally_until_the_renewal_is_published(
    apply_events: ApplyEvents,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    pass_time: PassTime,
) -> None:
    await apply_events(change(user, Plan.PRO))
    await pass_time(user, 31 * DAY)
    await run_commands(submit_job(user))
    renewed = datetime.now(UTC) + 20 * DAY
    await apply_events(change(user, Plan.PRO, 2, period_end=renewed))
    await run_commands(submit_job(user))
    assert await counters(rows, user) == [("PRO", 0, 0, 10_000), ("PRO", 0, 2, 10_000)]
    ends = "SELECT max(period_end) = $1 FROM jobs.usage_counters"
    assert await rows.fetchval(ends, renewed)


async def test_enterprise_is_metered_without_a_limit(
    apply_events: ApplyEvents,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await apply_events(change(user, Plan.ENTERPRISE))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = 1000000")
    assert codes(await run_commands(submit_job(user))) == ["PENDING"]
    assert (await counters(rows, user))[-1] == ("ENTERPRISE", 1_000_000, 1, None)


async def test_reports_and_corrections_are_noted_once_and_only_corrections_count(
    apply_events: ApplyEvents, given: Given, results: ResultsHarness, rows: asyncpg.Connection
) -> None:
    [first, second] = await given.runs(2)
    await results.persist(first.succeeded(), second.succeeded())
    subject = await find_subject(rows, first.user)
    period = await rows.fetchval("SELECT period_start FROM jobs.usage_counters")
    head: bytes = await rows.fetchval("SELECT head FROM jobs.subjects")
    now = datetime.now(UTC)
    reported = UsageReported(
        subject_id=subject,
        stripe_event_id="report-1",
        quantity=2,
        period_start=period,
        reported_at=now,
        head=head.hex(),
    )
    corrected = UsageReconciled(
        subject_id=subject,
        stripe_event_id="run-1",
        quantity=-1,
        period_start=period,
        reconciled_at=now,
        reason="One job was the system's own.",
    )
    published = await apply_events(reported, corrected, reported)
    again = await apply_events(corrected, reported)
    assert again == [published[0], published[2], published[1]]
    assert await given.counted(first) == (1, 0)
    kinds = await rows.fetch("SELECT kind, quantity FROM jobs.usage_events ORDER BY seq")
    assert [tuple(row.values()) for row in kinds][2:] == [
        ("stripe_usage_reported", 2),
        ("reconciliation_adjustment", -1),
    ]
    assert await rows.fetchval(CHAIN, first.user)
    assert await rows.fetchval(DRIFTED) == 0
    for change_, error in (
        ({"quantity": -2}, CorrectionTooLarge),
        ({"period_start": period + DAY}, PeriodNotFound),
        ({"subject_id": uuid4()}, SubjectNotFound),
    ):
        wrong = corrected.model_copy(update={"stripe_event_id": "run-2", **change_})
        with pytest.raises(error):
            await apply_events(wrong)


async def test_an_event_of_an_unknown_user_is_dropped_alone(
    apply_events: ApplyEvents, user: UUID, rows: asyncpg.Connection
) -> None:
    published = await apply_events(change(uuid4(), Plan.PRO), change(user, Plan.PRO))
    assert [message.user_id for message in pick(published, AccountChanged)] == [user]
    assert await rows.fetchval("SELECT count(*) FROM jobs.subjects") == 1


async def test_of_a_hundred_submits_at_once_with_one_job_left_one_is_accepted(
    gateway: Gateway,
    start_service: StartService,
    apply_events: ApplyEvents,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await apply_events(change(user, Plan.PRO))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = jobs_limit - 1")
    await start_service()
    await start_service()
    replies = await asyncio.gather(*(gateway.submit(user) for _ in range(100)))
    assert sum(reply.ok for reply in replies) == 1
    assert {code_of(reply) for reply in replies if not reply.ok} == {"quota_exceeded"}


async def test_of_two_hundred_submits_at_once_under_a_spend_limit_fifty_are_accepted(
    gateway: Gateway, start_service: StartService, user: UUID, apply_events: ApplyEvents
) -> None:
    await start_service()
    await start_service()
    now = datetime.now(UTC)
    await apply_events(
        SubscriptionChanged(
            user_id=user,
            version=1,
            plan=Plan.ENTERPRISE,
            status="active",
            jobs_limit=None,
            period_start=now - DAY,
            period_end=now + 30 * DAY,
            spend_limit_jobs=50,
        )
    )
    replies = await asyncio.gather(*(gateway.submit(user) for _ in range(200)))
    accepted = [reply for reply in replies if reply.ok]
    assert len(accepted) == 50
    problems = [reply.problem for reply in replies if reply.problem is not None]
    assert {problem.context["blocked_by"] for problem in problems} == {"spend_limit"}
    assert {problem.context["limit"] for problem in problems} == {50}


async def test_plans_that_change_under_load_leave_every_job_counted_once_and_none_stuck(
    gateway: Gateway,
    start_service: StartService,
    apply_events: ApplyEvents,
    add_user: AddUser,
    rows: asyncpg.Connection,
) -> None:
    users = [await add_user() for _ in range(3)]
    plans = [Plan.PRO, Plan.FREE, Plan.ENTERPRISE, Plan.FREE, Plan.PRO]
    facts = [
        change(user, plan, version, status="unpaid" if plan is Plan.FREE else "active")
        for user in users
        for version, plan in enumerate(plans, start=1)
    ]
    random.Random(5).shuffle(facts)  # noqa: S311  # another order, the same in each run
    await start_service()
    await start_service()
    patience = RetryPolicy(base=0.01, cap=0.05, attempts=100)
    applied = asyncio.gather(
        *(
            patience.run(
                partial(apply_events, event), retry_on=(TransactionConflict, PoolExhausted)
            )
            for event in facts
        )
    )
    replies = await asyncio.gather(*(gateway.submit(users[n % 3]) for n in range(150)))
    await applied
    accepted = sum(reply.ok for reply in replies)
    assert {code_of(reply) for reply in replies if not reply.ok} <= {"conflict"}
    assert await rows.fetchval("SELECT sum(jobs_reserved) FROM jobs.usage_counters") == accepted
    assert await rows.fetchval(DRIFTED) == 0
    assert all([await rows.fetchval(CHAIN, user) for user in users])
    assert await rows.fetchval(DEADLOCKS) == 0


async def test_the_waiting_user_gets_the_slots_of_the_plan_that_has_come_into_force(
    apply_events: ApplyEvents,
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    pass_time: PassTime,
) -> None:
    await apply_events(change(user, Plan.PRO, next_plan=Plan.FREE))
    await run_commands(*[submit_job(user) for _ in range(30)])
    await pass_time(user, 31 * DAY)
    assert len((await run_tick()).picked) == 2
