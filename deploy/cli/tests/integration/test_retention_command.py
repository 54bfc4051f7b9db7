"""`./msaas retention` asks each owner's program, with the owner's login."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from msaas.cli import main
from msaas.dev.schema.owners import SCHEMA_OWNERS
from msaas.local.migrate import migrate

OLD_JOB = """
WITH someone AS (
  INSERT INTO identity.users (id, email) VALUES (gen_random_uuid(), 'a@example.com') RETURNING id
)
INSERT INTO jobs.jobs (
  id, user_id, task_type, payload, max_attempts, correlation_id, source, billable, status,
  finished_at
) SELECT gen_random_uuid(), id, 'echo', '{}', 3, 'c', 'api', false, 'COMPLETED',
  now() - interval '8 days' FROM someone
"""
WITH_CONTENT = "SELECT count(*) FROM jobs.jobs WHERE content_removed_at IS NULL"


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    await asyncio.to_thread(migrate, database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("SELECT pg_advisory_lock(hashtext('svc_jobs'))")
    await connection.execute("ALTER ROLE svc_jobs PASSWORD 'svc_jobs'")
    await connection.execute("SELECT pg_advisory_unlock(hashtext('svc_jobs'))")
    await connection.execute(OLD_JOB)
    yield connection
    await connection.close()


async def test_a_plan_counts_and_a_run_removes(
    rows: asyncpg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = urlsplit(database_url)
    login = url._replace(netloc=f"svc_jobs:svc_jobs@{url.netloc.rpartition('@')[2]}").geturl()
    monkeypatch.setenv("ENVIRONMENT", "test")
    monkeypatch.setenv("DATABASE_URL", login)
    for act, heading, left in (("plan", "due", 1), ("run", "removed", 0)):
        assert await asyncio.to_thread(main, ["retention", act, "--owner", "jobs"]) == 0
        first, *lines = capsys.readouterr().out.splitlines()
        assert first.split() == ["owner", "class", heading, "kept"]
        [content] = [line.split()[:3] for line in lines if "job_content" in line]
        assert content == ["jobs", "job_content", "1"]
        assert await rows.fetchval(WITH_CONTENT) == left


async def test_every_owner_plans_what_it_removes(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(migrate, database_url)
    monkeypatch.setenv("ENVIRONMENT", "test")
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert await asyncio.to_thread(main, ["retention", "plan"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {owner.service for owner in SCHEMA_OWNERS}


async def test_without_a_database_it_says_what_to_do(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MSAAS_HOME", str(tmp_path))
    assert await asyncio.to_thread(main, ["retention", "plan", "--owner", "jobs"]) == 2
    assert "./msaas up" in capsys.readouterr().err
