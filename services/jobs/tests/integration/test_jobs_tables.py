"""What the table of jobs and the counters promise, tried on rows."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from msaas.contracts import MAX_INLINE_RESULT, JobStatus, Source
from msaas.jobs.adapters.postgres.tables import jobs

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
FAILED = "status = 'FAILED', finished_at = now()"
RESERVED = "reserved = true, usage_period = now()"
WITH_KEY = "idempotency_key = 'k', idempotency_item = 0, idempotency_fingerprint = sha256('f')"
NEXT_PERIOD = (
    "INSERT INTO jobs.usage_counters (id, subject_id, plan, period_start, period_end)"
    " SELECT gen_random_uuid(), subject_id, 'PRO', '{start}', '2026-03-01Z' FROM jobs.subjects"
)

REFUSALS = [
    ("UPDATE jobs.jobs SET status = 'WAITING'", "jobs_status_known"),
    ("UPDATE jobs.jobs SET source = 'cron'", "jobs_source_known"),
    ("UPDATE jobs.jobs SET priority = 10", "jobs_priority_in_range"),
    ("UPDATE jobs.jobs SET losses = -1", "jobs_attempts_count"),
    ("UPDATE jobs.jobs SET status = 'COMPLETED'", "jobs_finished_at_matches_status"),
    ("UPDATE jobs.jobs SET finished_at = now()", "jobs_finished_at_matches_status"),
    (f"UPDATE jobs.jobs SET {RESERVED}, {FAILED}", "jobs_reserved_only_unfinished"),
    ("UPDATE jobs.jobs SET reserved = true", "jobs_reserved_in_a_period"),
    ("UPDATE jobs.jobs SET payload = NULL", "jobs_unfinished_have_payload"),
    ("UPDATE jobs.jobs SET result = '1', result_ref = 'r'", "jobs_one_result"),
    ("UPDATE jobs.jobs SET fence = gen_random_uuid()", "jobs_fence_is_dispatched"),
    ("UPDATE jobs.jobs SET idempotency_key = 'k'", "jobs_idempotency_complete"),
    (f"UPDATE jobs.jobs SET {WITH_KEY}, user_id = '{{user_a}}'", "jobs_one_per_idempotency_key"),
    (
        "UPDATE jobs.jobs SET schedule_id = '{job_a}', run_at = '2026-01-01Z'",
        "jobs_one_per_firing",
    ),
    ("UPDATE jobs.job_attempts SET outcome = 'won'", "job_attempts_outcome_known"),
    ("UPDATE jobs.subjects SET next_plan = 'GOLD'", "subjects_next_plan_known"),
    ("UPDATE jobs.subjects SET user_id = '{user_a}'", "subjects_user_id_key"),
    ("UPDATE jobs.subjects SET head = ''", "subjects_head_is_sha256"),
    ("UPDATE jobs.usage_counters SET jobs_reserved = -1", "usage_counters_count"),
    (
        "UPDATE jobs.usage_counters SET period_end = period_start",
        "usage_counters_period_has_length",
    ),
    (NEXT_PERIOD.format(start="2026-01-31T23:59:59Z"), "usage_counters_no_overlap"),
    (
        "INSERT INTO jobs.broker_epoch (only_row, epoch) VALUES (false, '')",
        "broker_epoch_is_one_row",
    ),
]


@pytest.mark.parametrize(("sql", "constraint"), REFUSALS)
async def test_invalid_rows_are_refused_by_named_constraints(
    seeded: asyncpg.Connection, ids: Mapping[str, str], sql: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refusal:
        await seeded.execute(sql.format(**ids))
    assert refusal.value.constraint_name == constraint


async def test_a_period_may_begin_where_the_last_one_ends(seeded: asyncpg.Connection) -> None:
    assert await seeded.execute(NEXT_PERIOD.format(start="2026-02-01Z")) == "INSERT 0 2"


async def test_two_users_may_use_one_idempotency_key(seeded: asyncpg.Connection) -> None:
    assert await seeded.execute(f"UPDATE jobs.jobs SET {WITH_KEY}") == "UPDATE 2"


async def test_the_model_knows_the_contract_and_so_does_the_database(
    seeded: asyncpg.Connection,
) -> None:
    assert set(jobs.info["states"]) == set(JobStatus)
    for status in JobStatus:
        ended = f"finished_at = {'now()' if status in TERMINAL else 'NULL'}"
        assert await seeded.execute(f"UPDATE jobs.jobs SET {ended}, status = $1", status)
    for source in Source:
        assert await seeded.execute("UPDATE jobs.jobs SET source = $1", source)


@pytest.mark.parametrize(
    "shape",
    [
        [0] * (MAX_INLINE_RESULT // 2 - 1),
        {format(n, "x"): 0 for n in range(MAX_INLINE_RESULT // 9)},
        "x" * (MAX_INLINE_RESULT - 2),
    ],
    ids=["numbers", "keys", "text"],
)
async def test_the_largest_result_fits_whatever_its_shape(
    seeded: asyncpg.Connection, shape: Any
) -> None:
    result = json.dumps(shape, separators=(",", ":"))
    assert MAX_INLINE_RESULT * 0.9 < len(result) <= MAX_INLINE_RESULT
    assert await seeded.execute("UPDATE jobs.jobs SET result = $1", result) == "UPDATE 2"


async def test_a_result_far_beyond_the_limit_is_refused(seeded: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="jobs_result_is_small"):
        await seeded.execute("UPDATE jobs.jobs SET result = to_jsonb(repeat('x', 600000))")


async def count_updates(connection: asyncpg.Connection) -> tuple[int, int]:
    """Return all updates of jobs and those that touched no index."""
    row = await connection.fetchrow(
        "SELECT pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t)"
        " FROM (SELECT 'jobs.jobs'::regclass::oid) AS jobs (t)"
    )
    assert row is not None
    return row[0], row[1]


async def test_heartbeats_touch_no_index(seeded: asyncpg.Connection) -> None:
    async with seeded.transaction():
        await seeded.execute(
            "UPDATE jobs.jobs SET status = 'RUNNING', dispatched_at = now(),"
            " fence = gen_random_uuid()"
        )
        updates, untouched = await count_updates(seeded)
        await seeded.execute(
            "UPDATE jobs.jobs SET lease_until = now() + interval '10 s',"
            " progress = '{\"percent\": 50}'"
        )
        assert await count_updates(seeded) == (updates + 2, untouched + 2)


async def test_a_user_takes_jobs_and_attempts_along_and_leaves_usage_without_a_name(
    seeded: asyncpg.Connection, ids: Mapping[str, str]
) -> None:
    await seeded.execute("DELETE FROM identity.users WHERE id = $1", ids["user_a"])
    for table, left in {"jobs": 1, "job_attempts": 1}.items():
        assert await seeded.fetchval(f"SELECT count(*) FROM jobs.{table}") == left
    for table in ("subjects", "usage_counters", "usage_events"):
        owners = await seeded.fetch(f"SELECT user_id::text AS id FROM jobs.{table}")
        assert {row["id"] for row in owners} == {None, ids["user_b"]}


@pytest.mark.parametrize("table", ["jobs", "subjects", "usage_counters"])
async def test_time_and_version_only_go_forward(seeded: asyncpg.Connection, table: str) -> None:
    change = f"UPDATE jobs.{table} SET updated_at = '2000-01-01Z' RETURNING updated_at, version"
    first, second = [await seeded.fetchrow(change) for _ in range(2)]
    assert first is not None
    assert second is not None
    assert first["updated_at"] < second["updated_at"]
    assert second["version"] == first["version"] + 1
