"""Which role may do what with jobs and usage."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import asyncpg
import pytest

Attempt: TypeAlias = Callable[..., Awaitable[int | str]]

DENIED = "InsufficientPrivilege"
NEW_JOB = (
    "INSERT INTO jobs.jobs (id, user_id, task_type, payload, max_attempts, correlation_id, source,"
    " billable) VALUES (gen_random_uuid(), '{user_a}', 'echo', '{{}}', 3, 'c', 'api', true)"
)
VIEWS = ("jobs", "job_attempts", "usage")
PUBLIC_VIEWS = ("pauses", "queue_stats")
QUEUE_VIEWS = ("queue", "slots")
TABLES = (
    *("subjects", "jobs", "job_attempts", "usage_counters", "usage_events"),
    *("queue_stats", "message_dead_letters", "broker_epoch", "pauses", "usage_checkpoints"),
)
OTHER_ROLES = ("anon", "service_role", "svc_gateway", "svc_gateway_read")

QUESTIONS = [
    # the user
    *(("A", f"SELECT FROM api_v1.{view}", 1) for view in VIEWS),
    *(("B", f"SELECT FROM api_v1.{view}", 1) for view in VIEWS),
    ("A", "SELECT FROM api_v1.jobs WHERE id = '{job_a}'", 1),
    *(("A", f"SELECT FROM api_v1.{view}", 1) for view in QUEUE_VIEWS),
    ("A", "SELECT FROM api_v1.queue WHERE id = '{job_b}'", 0),
    ("A", "SELECT FROM api_v1.slots WHERE held > 0", 0),
    *(("A", f"SELECT FROM api_v1.{view}", 0) for view in PUBLIC_VIEWS),
    ("A", "SELECT note FROM jobs.pauses", DENIED),
    ("A", "INSERT INTO api_v1.pauses (task_type, reason) VALUES ('echo', 'flag')", DENIED),
    ("A", "UPDATE api_v1.queue_stats SET waiting = 0", DENIED),
    ("A", "SELECT head FROM jobs.subjects", DENIED),
    ("A", "SELECT FROM api_v1.jobs WHERE id = '{job_b}'", 0),
    ("A", "SELECT FROM api_v1.job_attempts WHERE job_id = '{job_b}'", 0),
    ("A", "SELECT FROM api_v1.jobs j JOIN api_v1.job_attempts a ON a.job_id = j.id", 1),
    ("A", "SELECT fence FROM api_v1.jobs", "UndefinedColumn"),
    ("A", "SELECT fence FROM api_v1.job_attempts", "UndefinedColumn"),
    ("A", "UPDATE api_v1.jobs SET status = 'CANCELLED' WHERE id = '{job_a}'", DENIED),
    ("A", "UPDATE api_v1.jobs SET parent_job_id = '{job_b}' RETURNING *", DENIED),
    ("A", "DELETE FROM api_v1.jobs RETURNING *", DENIED),
    ("A", "INSERT INTO api_v1.jobs (id) VALUES (gen_random_uuid()) RETURNING *", DENIED),
    ("A", "UPDATE api_v1.usage SET jobs_used = 0", DENIED),
    ("A", NEW_JOB, DENIED),
    *(("A", f"SELECT FROM jobs.{table}", DENIED) for table in TABLES),
    ("A", "SELECT jobs.usage_hash(NULL, 1, NULL, 1, now(), '')", DENIED),
    ("A", "SET ROLE svc_jobs", DENIED),
    # strangers
    *(
        (who, f"SELECT FROM api_v1.{view}", DENIED)
        for who in OTHER_ROLES
        for view in (*QUEUE_VIEWS, *PUBLIC_VIEWS)
    ),
    *((who, f"SELECT FROM api_v1.{view}", DENIED) for who in OTHER_ROLES for view in VIEWS),
    *((who, f"SELECT FROM jobs.{table}", DENIED) for who in OTHER_ROLES for table in TABLES),
    *((who, f"DELETE FROM jobs.{table}", DENIED) for who in OTHER_ROLES for table in TABLES),
    *((who, NEW_JOB, DENIED) for who in OTHER_ROLES),
    *((who, "UPDATE jobs.usage_counters SET jobs_used = 0", DENIED) for who in OTHER_ROLES),
    ("svc_gateway_read", "SET ROLE svc_jobs", DENIED),
    # the owner's login
    ("svc_jobs", "SELECT FROM jobs.jobs", 2),
    ("svc_jobs", NEW_JOB + " RETURNING id", 1),
    ("svc_jobs", "UPDATE jobs.jobs SET progress = '{{}}'", 2),
    ("svc_jobs", "DELETE FROM jobs.jobs WHERE id = '{job_a}'", 1),
    ("svc_jobs", "DELETE FROM jobs.job_attempts", 2),
    ("svc_jobs", "UPDATE jobs.subjects SET erasing_at = now() RETURNING head", 2),
    ("svc_jobs", "DELETE FROM jobs.subjects", DENIED),
    ("svc_jobs", "UPDATE jobs.usage_counters SET jobs_reserved = 1", 2),
    ("svc_jobs", "DELETE FROM jobs.usage_counters", DENIED),
    ("svc_jobs", "SELECT FROM jobs.usage_events", 2),
    ("svc_jobs", "UPDATE jobs.usage_events SET user_id = NULL", 2),
    ("svc_jobs", "UPDATE jobs.usage_events SET user_id = '{user_b}'", "RestrictViolation"),
    ("svc_jobs", "UPDATE jobs.usage_events SET quantity = 0", DENIED),
    ("svc_jobs", "DELETE FROM jobs.usage_events", "RestrictViolation"),
    ("svc_jobs", "SELECT FROM jobs.usage_checkpoints", 0),
    ("svc_jobs", "UPDATE jobs.usage_checkpoints SET completions = 9", DENIED),
    ("svc_jobs", "DELETE FROM jobs.usage_checkpoints", DENIED),
    ("A", "SELECT jobs.roll_up_usage('{subject_a}', 1)", DENIED),
    ("svc_jobs", "TRUNCATE jobs.usage_events", DENIED),
    ("svc_jobs", "ALTER TABLE jobs.usage_events DISABLE TRIGGER keep", DENIED),
    ("svc_jobs", "INSERT INTO jobs.queue_stats VALUES ('echo', 1, 0)", 1),
    ("svc_jobs", "SELECT FROM jobs.message_dead_letters", 0),
    ("svc_jobs", "INSERT INTO jobs.broker_epoch (epoch) VALUES ('e') RETURNING *", 1),
    ("svc_jobs", "DELETE FROM jobs.broker_epoch", DENIED),
    ("svc_jobs", "SELECT FROM api_v1.jobs", DENIED),
    ("svc_jobs", "SELECT FROM identity.users", DENIED),
    ("svc_jobs", "SET ROLE authenticated", DENIED),
    ("svc_jobs", "SET ROLE msaas_owner", DENIED),
    ("svc_jobs", "SET ROLE msaas_backfill", DENIED),
    # maintenance: the owner of the tables sees no row, the backfill sees all
    *(("msaas_owner", f"SELECT FROM jobs.{table}", 0) for table in TABLES),
    ("msaas_owner", "UPDATE jobs.jobs SET user_id = '{user_b}'", 0),
    ("msaas_backfill", "SELECT FROM jobs.jobs", 2),
    ("msaas_backfill", "UPDATE jobs.jobs SET priority = 9", 2),
    ("msaas_backfill", "UPDATE jobs.usage_events SET user_id = NULL", DENIED),
    ("msaas_backfill", "DELETE FROM jobs.jobs", DENIED),
    ("msaas_backfill", NEW_JOB, DENIED),
]


async def test_every_question_about_jobs_has_its_answer(execute_as: Attempt) -> None:
    answers = [(who, sql, await execute_as(who, sql)) for who, sql, _ in QUESTIONS]
    assert answers == QUESTIONS


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("claims", "answer"), [(None, 0), ("", 0), ("{}", 0), ("x", "InvalidTextRepresentation")]
)
async def test_without_a_user_in_the_claims_nothing_is_seen(
    execute_as: Attempt, view: str, claims: str | None, answer: int | str
) -> None:
    assert await execute_as("authenticated", f"SELECT FROM api_v1.{view}", claims) == answer


async def test_a_deleted_job_is_gone_with_its_attempts(
    execute_as: Attempt, seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    await seeded.execute("UPDATE jobs.jobs SET deleted_at = now() WHERE id = $1", ids["job_a"])
    assert [await execute_as("A", f"SELECT FROM api_v1.{view}") for view in VIEWS] == [0, 0, 1]
    assert [await execute_as("B", f"SELECT FROM api_v1.{view}") for view in VIEWS] == [1, 1, 1]


async def test_the_policy_asks_for_the_user_once_and_uses_the_index(
    seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    async with seeded.transaction():
        await seeded.execute("SET LOCAL enable_seqscan = off; SET LOCAL ROLE authenticated")
        await seeded.execute(f'SET LOCAL request.jwt.claims = \'{{"sub":"{ids["user_a"]}"}}\'')
        rows = await seeded.fetch(
            "EXPLAIN SELECT id FROM api_v1.jobs ORDER BY created_at DESC, id LIMIT 50"
        )
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using jobs_by_user on jobs" in plan
    assert "InitPlan" in plan
    assert "Sort" not in plan
