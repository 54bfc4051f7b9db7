"""A database with every service's schema, copied per test from one that is migrated once a run."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from msaas.local.migrate import migrate

ExecuteAs: TypeAlias = Callable[..., Awaitable[int | str]]

HERE = Path(__file__).parent
ENTITIES = ("user", "key", "subject", "counter", "job", "fence")
# {user_a}, {job_b} and so on, as the statements of the tests name them.
IDS = {
    f"{thing}_{who}": f"{who * 8}-0000-7000-8000-{number:012}"
    for who in "ab"
    for number, thing in enumerate(ENTITIES)
}
SEED = """
INSERT INTO identity.users (id, email) VALUES ('{user}', '{who}@example.com');
INSERT INTO identity.api_keys (id, user_id, name, prefix, hash)
  VALUES ('{key}', '{user}', 'laptop', 'ms_', sha256('{who}'));
INSERT INTO jobs.subjects (subject_id, user_id, period_start, period_end)
  VALUES ('{subject}', '{user}', '2026-01-01Z', '2026-02-01Z');
INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start, period_end)
  VALUES ('{counter}', '{user}', '{subject}', 'FREE', '2026-01-01Z', '2026-02-01Z');
INSERT INTO jobs.jobs
  (id, user_id, task_type, payload, max_attempts, correlation_id, source, billable)
  VALUES ('{job}', '{user}', 'echo', '{{}}', 3, 'c', 'api', true);
INSERT INTO jobs.job_attempts (job_id, fence, attempt) VALUES ('{job}', '{fence}', 0);
INSERT INTO jobs.usage_events
  (subject_id, seq, user_id, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
  SELECT subject_id, 1, user_id, 'job_completed', 1, '{job}', period_start, '2026-01-02Z', head,
    jobs.usage_hash(subject_id, 1, '{job}', 1, '2026-01-02Z', head)
  FROM jobs.subjects WHERE user_id = '{user}';
"""


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """Name the migrated database, which the first worker that asks has made."""
    scripts = sorted(
        path for path in HERE.glob("*/migrations/**/*") if path.suffix in {".py", ".sql"}
    )
    content = hashlib.sha256(b"".join(path.read_bytes() for path in scripts))
    name = f"msaas_{content.hexdigest()[:16]}"
    asyncio.run(create_template(postgres_url, name))
    return name


async def create_template(server: str, name: str) -> None:
    async with connect(server) as admin:
        await admin.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
        if await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            return
        await admin.execute(f"DROP DATABASE IF EXISTS {name}_unfinished")
        await admin.execute(f"CREATE DATABASE {name}_unfinished")
        await asyncio.to_thread(migrate, with_database(server, f"{name}_unfinished"))
        await admin.execute(f"ALTER DATABASE {name}_unfinished RENAME TO {name}")


@pytest.fixture
async def schema_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """Give a test a database of its own, in which it may commit."""
    url = await copy_database(postgres_url, template)
    yield url
    await drop_database(postgres_url, url)


@pytest.fixture(scope="session")
def seeded_url(postgres_url: str, template: str) -> Iterator[str]:
    """Give a test process a database with two users, in which no test commits."""
    url = asyncio.run(copy_database(postgres_url, template))
    asyncio.run(seed(url))
    yield url
    asyncio.run(drop_database(postgres_url, url))


@pytest.fixture
async def seeded(seeded_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a superuser's session there, in a transaction that is rolled back."""
    async with connect(seeded_url) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@pytest.fixture
def ids() -> Mapping[str, str]:
    return IDS


@pytest.fixture
def execute_as(seeded: asyncpg.Connection) -> ExecuteAs:
    """Try a statement as a role: return the number of rows, or the name of the error.

    `who` is a role, or A or B: a user as the gateway's reading login presents them.
    """

    async def run(role: str, sql: str, claims: str | None = None) -> int | str:
        if role in {"A", "B"}:
            user = IDS[f"user_{role.lower()}"]
            role, claims = "authenticated", f'{{"sub":"{user}","role":"authenticated"}}'
        transaction = seeded.transaction()
        await transaction.start()
        try:
            # From here on the session may do what a login of that name may do, and no more.
            await seeded.execute(f"SET LOCAL SESSION AUTHORIZATION {role}")
            if claims is not None:
                await seeded.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
            status = await seeded.execute(sql.format(**IDS))
        except asyncpg.PostgresError as error:
            return type(error).__name__.removesuffix("Error")
        finally:
            await transaction.rollback()
        met = status.rpartition(" ")[2]
        return int(met) if met.isdigit() else status

    return run


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def with_database(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()


async def copy_database(server: str, template: str) -> str:
    name = f"test_{uuid4().hex}"
    async with connect(server) as admin:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return with_database(server, name)


async def drop_database(server: str, url: str) -> None:
    async with connect(server) as admin:
        await admin.execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")


async def seed(url: str) -> None:
    """Insert users a and b, with one row in every table that is about a user."""
    async with connect(url) as admin:
        for who in "ab":
            own = {thing: IDS[f"{thing}_{who}"] for thing in ENTITIES}
            await admin.execute(SEED.format(who=who, **own))
