"""What is kept of old jobs, attempts and dead letters, and for how long."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import OpenDatabase

from msaas.artifacts import ArtifactStore, ArtifactsUnavailable, StoreLocation, open_store
from msaas.jobs.adapters.postgres.retention import JOB_CONTENT, Files, list_retention_rules
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection, Retention, RetentionCount
from msaas.postgres.retention import RetentionPass
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

SUBJECT = """
INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
VALUES (gen_random_uuid(), $1, $2, '2026-01-01Z', '2036-01-01Z')
"""
JOB = """
INSERT INTO jobs.jobs (
  id, user_id, task_type, payload, max_attempts, correlation_id, source, billable, status,
  finished_at, created_at, result, progress, last_error, idempotency_key, idempotency_item,
  idempotency_fingerprint, decided_by_fence
) SELECT $1, $2, $3, '{"message": "hello"}', 3, 'c', 'api', false, $4,
  CASE WHEN $4 NOT IN ('PENDING', 'RUNNING') THEN now() - $5::interval END, now() - $5::interval,
  CASE WHEN $4 = 'COMPLETED' THEN '{"message": "hello"}'::jsonb END, '{"percent": 1}', 'too slow',
  $1::uuid::text, 0, '\\x00', $6
"""
ATTEMPT = """
INSERT INTO jobs.job_attempts
  (job_id, fence, attempt, dispatched_at, outcome, error, timings_ms, network)
VALUES ($1, $2, 0, now() - $3::interval, 'succeeded', 'e', '{"open": 1}', '[]')
"""
DEAD_LETTER = """
INSERT INTO jobs.message_dead_letters (id, topic, entry_id, body, class, error, resolved_at)
VALUES ($1, 'jobs.commands', $1::uuid::text, '{}', 'poison', 'e', now() - $2::interval)
"""
REPLAY = """
INSERT INTO jobs.dead_letter_replays (id, dead_letter_id, topic, due_at, replay_id, replayed_at)
VALUES (gen_random_uuid(), $1, 'jobs.commands', now(),
  CASE WHEN $2::interval IS NOT NULL THEN gen_random_uuid() END, now() - $2::interval)
"""
KEPT = [("FREE", 7), ("PRO", 30), ("ENTERPRISE", 90)]
Enforce: TypeAlias = Callable[..., Awaitable[dict[str, RetentionCount]]]


@dataclass
class Past:
    """Inserts what happened some time ago."""

    rows: asyncpg.Connection

    async def user(self, plan: str = "FREE") -> UUID:
        user = uuid4()
        sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
        await self.rows.execute(sql, user, f"{user}@example.com")
        await self.rows.execute(SUBJECT, user, plan)
        return user

    async def job(
        self,
        user: UUID,
        days: float,
        *,
        status: str = "COMPLETED",
        task_type: str = "echo",
        fence: UUID | None = None,
    ) -> UUID:
        job_id, ago = new_id(), timedelta(days=days)
        run = fence or uuid4()
        await self.rows.execute(JOB, job_id, user, task_type, status, ago, run)
        await self.rows.execute(ATTEMPT, job_id, run, ago)
        return job_id

    async def read(self, job_id: UUID) -> asyncpg.Record:
        row = await self.rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", job_id)
        assert row is not None
        return row

    async def attempts(self, job_id: UUID) -> Sequence[asyncpg.Record]:
        return await self.rows.fetch("SELECT * FROM jobs.job_attempts WHERE job_id = $1", job_id)


class AbsentStore:
    """A store that does not answer."""

    async def delete_job(self, job_id: UUID) -> int:
        raise ArtifactsUnavailable


@pytest.fixture
def past(rows: asyncpg.Connection) -> Past:
    return Past(rows)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("jobs", "test")


@pytest.fixture
def build(database: Database, metrics: Metrics) -> Callable[..., Retention]:
    def build_(files: Files | None = None, database: Database = database) -> Retention:
        return Retention("jobs", database, list_retention_rules(files), metrics)

    return build_


@pytest.fixture
def enforce(build: Callable[..., Retention]) -> Enforce:
    async def enforce_(files: Files | None = None) -> dict[str, RetentionCount]:
        async with asyncio.timeout(GENEROUS_TIMEOUT):
            return {count.data_class: count for count in await build(files).run()}

    return enforce_


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(StoreLocation(url=tmp_path.as_uri()))


@pytest.mark.parametrize(("plan", "days"), KEPT)
async def test_content_is_kept_as_long_as_the_plan_says_and_a_skeleton_for_good(
    past: Past, enforce: Enforce, plan: str, days: int
) -> None:
    user = await past.user(plan)
    old, young = await past.job(user, days + 0.1), await past.job(user, days - 0.1)
    assert (await enforce())["job_content"].rows == 1
    kept = await past.read(young)
    assert (kept["payload"], kept["content_removed_at"]) == ('{"message": "hello"}', None)
    [attempt] = await past.attempts(young) if days <= 30 else [{"error": "e"}]
    assert attempt["error"] == "e"
    skeleton = await past.read(old)
    gone = ("payload", "result", "result_ref", "progress", "last_error")
    assert [skeleton[name] for name in gone] == [None] * 5
    assert (skeleton["status"], skeleton["task_type"]) == ("COMPLETED", "echo")
    assert skeleton["content_removed_at"] is not None
    assert all(row["error"] is row["network"] is None for row in await past.attempts(old))


async def test_a_job_that_has_not_ended_keeps_its_payload(past: Past, enforce: Enforce) -> None:
    job = await past.job(await past.user(), 400, status="PENDING")
    counts = await enforce()
    assert (counts["job_content"].rows, counts["job_attempts"].rows) == (0, 0)
    assert (await past.read(job))["payload"] is not None
    assert len(await past.attempts(job)) == 1


async def test_todays_plan_decides(past: Past, enforce: Enforce) -> None:
    user = await past.user("FREE")
    job = await past.job(user, 20)
    await past.rows.execute("UPDATE jobs.subjects SET plan = 'PRO'")
    assert (await enforce())["job_content"].rows == 0
    await past.rows.execute("UPDATE jobs.subjects SET plan = 'FREE'")
    assert (await enforce())["job_content"].rows == 1
    assert (await past.read(job))["payload"] is None


async def test_attempts_are_deleted_after_thirty_days_unless_the_plan_shows_them(
    past: Past, enforce: Enforce
) -> None:
    free, enterprise = await past.user("FREE"), await past.user("ENTERPRISE")
    jobs = [await past.job(free, 31), await past.job(free, 29)]
    jobs += [await past.job(enterprise, 89), await past.job(enterprise, 91)]
    assert (await enforce())["job_attempts"].rows == 2
    assert [len(await past.attempts(job)) for job in jobs] == [0, 1, 1, 0]


async def test_an_idempotency_key_is_kept_for_72_hours(past: Past, enforce: Enforce) -> None:
    user = await past.user()
    old, young = await past.job(user, 3.1), await past.job(user, 2.9)
    assert (await enforce())["idempotency_keys"].rows == 1
    assert (await past.read(old))["idempotency_fingerprint"] is None
    assert (await past.read(young))["idempotency_key"] == str(young)


async def test_dead_letters_are_deleted_once_they_are_resolved_and_old(
    past: Past, enforce: Enforce
) -> None:
    old, young, open_, scheduled = [uuid4() for _ in range(4)]
    for dead_letter, days in ((old, 31), (young, 29), (open_, None), (scheduled, 31)):
        await past.rows.execute(DEAD_LETTER, dead_letter, days and timedelta(days=days))
        await past.rows.execute(REPLAY, dead_letter, days and timedelta(days=days))
    await past.rows.execute(REPLAY, scheduled, None)
    counts = await enforce()
    assert (counts["resolved_dead_letters"].rows, counts["dead_letter_replays"].rows) == (1, 2)
    left = await past.rows.fetch("SELECT id FROM jobs.message_dead_letters")
    assert {row["id"] for row in left} == {young, open_, scheduled}


async def test_files_go_with_the_content_and_before_their_mark(
    past: Past, enforce: Enforce, store: ArtifactStore
) -> None:
    user = await past.user()
    old, young = [await past.job(user, days, task_type="render_pdf") for days in (8, 6)]
    echo = await past.job(user, 8)
    for job in (old, young):
        for _ in range(2):
            await store.put(f"{job}/{uuid4()}/page.pdf", b"%PDF")
    unreachable = await enforce(AbsentStore())
    assert (unreachable["artifacts"].has_failed, unreachable["job_content"].rows) == (True, 2)
    assert unreachable["idempotency_keys"].rows == 3  # the other classes go on
    assert (await past.read(old))["artifacts_removed_at"] is None
    assert (await past.read(echo))["artifacts_removed_at"] is not None
    assert (await enforce(store))["artifacts"].rows == 1
    assert (await past.read(old))["artifacts_removed_at"] is not None
    assert await store.delete_job(old) == 0
    assert await store.delete_job(young) == 2


async def test_without_a_store_the_marks_of_files_wait(
    past: Past, enforce: Enforce, store: ArtifactStore
) -> None:
    await past.job(await past.user(), 8, task_type="render_pdf")
    assert "artifacts" not in await enforce()
    assert (await enforce(store))["artifacts"].rows == 1


async def test_a_dry_run_counts_and_changes_nothing(
    past: Past, build: Callable[..., Retention], enforce: Enforce
) -> None:
    user = await past.user()
    for days in (8, 40, 6, 1):
        await past.job(user, days)
    before = await past.rows.fetch("SELECT * FROM jobs.jobs ORDER BY id")
    planned = {count.data_class: count.rows for count in await build().plan()}
    assert planned["job_content"] == 2
    assert planned["idempotency_keys"] == 3
    assert await past.rows.fetch("SELECT * FROM jobs.jobs ORDER BY id") == before
    done = {name: count.rows for name, count in (await enforce()).items()}
    # The attempts that a pass deletes are those whose content it has removed before.
    assert done == planned | {"job_attempts": 1}
    assert {count.rows for count in await build().plan()} == {0}


async def test_a_locked_row_is_not_waited_for_and_is_found_the_next_time(
    past: Past, enforce: Enforce
) -> None:
    user = await past.user()
    locked, free = await past.job(user, 9), await past.job(user, 8)
    async with past.rows.transaction():
        await past.rows.execute("SELECT FROM jobs.jobs WHERE id = $1 FOR UPDATE", locked)
        assert (await enforce())["job_content"].rows == 1
        assert (await past.read(free))["payload"] is None
    assert (await enforce())["job_content"].rows == 1


async def test_a_job_that_is_retried_after_it_was_found_is_left(
    past: Past, database: Database
) -> None:
    job = await past.job(await past.user(), 8, status="FAILED")
    async with database.connection() as connection:
        page = await JOB_CONTENT.find(connection, None, 10)
    assert page.due == [(job,)]
    await past.rows.execute("UPDATE jobs.jobs SET status = 'PENDING', finished_at = NULL")
    removal = await JOB_CONTENT.remove(database.transaction, page.due, 10)
    assert removal.rows == 0
    assert (await past.read(job))["payload"] is not None


async def test_a_pass_that_ends_early_is_continued_by_the_next(
    past: Past, build: Callable[..., Retention], enforce: Enforce
) -> None:
    user = await past.user()
    for _ in range(60):
        await past.job(user, 8)
    abandoned = RetentionPass(build())
    batch = await abandoned.run_batch()
    assert batch is not None
    assert 0 < batch.removed < 60
    assert (await enforce())["job_content"].rows == 60 - batch.removed


async def test_two_replicas_remove_each_row_once(
    past: Past, build: Callable[..., Retention], open_database: OpenDatabase
) -> None:
    user = await past.user()
    for _ in range(120):
        await past.job(user, 8)
    replicas = [build(database=await open_database()) for _ in range(2)]
    async with asyncio.timeout(GENEROUS_TIMEOUT):
        done = await asyncio.gather(*(replica.run() for replica in replicas))
    removed = [
        count.rows for counts in done for count in counts if count.data_class == "job_content"
    ]
    assert sum(removed) == 120


async def test_metrics_name_what_was_removed_and_when_it_was_complete(
    past: Past, enforce: Enforce, metrics: Metrics
) -> None:
    await past.job(await past.user(), 8)
    await enforce(AbsentStore())
    text = metrics.render().decode()
    labels = 'data_class="job_content",environment="test",service="jobs"'
    assert f"msaas_retention_removed_total{{{labels}}} 1.0" in text
    assert f"msaas_retention_last_success_timestamp_seconds{{{labels}}} 1" in text
    assert "msaas_retention_batch_seconds_count" in text


async def test_the_search_reads_the_index_of_what_is_kept(
    past: Past, database: Database, rows: asyncpg.Connection
) -> None:
    statements: list[str] = []

    def ignore(_sql: str, _seconds: float) -> None:
        return

    class Recorder(DatabaseConnection):
        async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
            statements.append(sql)
            return await super().fetch(sql, *values)

    async with database.connection() as connection:
        for rule in list_retention_rules(None)[:3]:
            await rule.find(Recorder(connection.raw, ignore), None, 10)
    async with rows.transaction():
        await rows.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plans = ["\n".join(r[0] for r in await rows.fetch(f"EXPLAIN {sql}")) for sql in statements]
    for plan, index in zip(
        plans,
        ("jobs_with_content", "job_attempts_by_dispatch", "jobs_with_idempotency_key"),
        strict=True,
    ):
        assert f"Index Scan using {index}" in plan or f"Index Only Scan using {index}" in plan


@pytest.mark.parametrize(("act", "left"), [("plan", 1), ("run", 0)])
async def test_an_operator_plans_or_runs_it_with_the_services_login(
    past: Past, jobs_url: str, rows: asyncpg.Connection, act: str, left: int
) -> None:
    await past.job(await past.user(), 8)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "msaas.jobs", "retention", act),
        env=os.environ | {"ENVIRONMENT": "test", "DATABASE_URL": jobs_url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await program.communicate()
    assert program.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    found = {line["data_class"]: line["rows"] for line in lines}
    assert found["job_content"] == 1
    assert {line["owner"] for line in lines} == {"jobs"}
    with_content = "SELECT count(*) FROM jobs.jobs WHERE content_removed_at IS NULL"
    assert await rows.fetchval(with_content) == left
