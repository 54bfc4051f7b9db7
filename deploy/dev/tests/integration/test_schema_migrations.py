"""The migrations of every service: up, down and up again, equal to its models, safe under load."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from msaas.dev.schema import SCHEMA_OWNERS, SchemaOwner, find_problems
from msaas.dev.schema.owners import API_SCHEMA
from msaas.dev.workspace import tool_path
from msaas.embedded import PostgresServer
from msaas.local.migrate import migrate
from msaas.postgres import PostgresConfig, create_engine
from msaas.testing.shared_servers import fresh_database

STAMP = "202501010900_add_auth_billing_usage_tables"
SCHEMAS = [API_SCHEMA, *(owner.schema for owner in SCHEMA_OWNERS)]
SQUAWK = (
    "--pg-version=15",
    "--exclude=prefer-bigint-over-int,prefer-bigint-over-smallint",  # counts; keys are uuids
    "--exclude=require-lock-timeout,require-statement-timeout",  # msaas.postgres sets both
)

DESCRIBE = """
SELECT format('%s.%s %s %s default %s', attrelid::regclass, attname,
  format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
  pg_get_expr(adbin, adrelid))
FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND attnum > 0
  AND relname <> 'alembic_version'
UNION ALL
SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE connamespace = to_regnamespace($1) AND contype <> 'n'
  AND conrelid <> coalesce(to_regclass($1 || '.alembic_version'), 0)
UNION ALL
SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename <> 'alembic_version'
UNION ALL
SELECT format('%s with %s', oid::regclass, reloptions)
FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND reloptions IS NOT NULL
ORDER BY 1
"""
OBJECTS = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = ANY ($1) AND relkind IN ('r', 'v') AND relname <> 'alembic_version'
UNION ALL
SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname = ANY ($1)
"""

MANAGED = """
CREATE ROLE deployer LOGIN CREATEROLE PASSWORD 'secret';
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
GRANT authenticated TO deployer WITH ADMIN OPTION;
"""

T = TypeVar("T")
Fetch: TypeAlias = Callable[..., Awaitable[list[Any]]]
OnSync: TypeAlias = Callable[[Callable[[Connection], T]], Awaitable[T]]

each_owner = pytest.mark.parametrize("owner", SCHEMA_OWNERS, ids=lambda owner: owner.service)


@pytest.fixture
def fetch(database_url: str) -> Fetch:
    async def run(sql: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            return [row[0] for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return run


@pytest.fixture
def on_sync(database_url: str) -> OnSync[Any]:
    """Run a function on SQLAlchemy's synchronous connection, and commit."""

    async def run(work: Callable[[Connection], Any]) -> Any:
        engine = create_engine(PostgresConfig(database_url))
        async with engine.begin() as connection:
            found = await connection.run_sync(work)
        await engine.dispose()
        return found

    return run


async def test_all_chains_go_up_and_down_and_up_again(database_url: str, fetch: Fetch) -> None:
    await asyncio.to_thread(migrate, database_url)
    built = await fetch(OBJECTS, SCHEMAS)
    for owner in reversed(SCHEMA_OWNERS):
        chain = owner.migrations(database_url)
        assert await asyncio.to_thread(chain.current_revision) == head_of(owner)
        await asyncio.to_thread(chain.downgrade, "base")
    assert built
    assert await fetch(OBJECTS, SCHEMAS) == []
    await asyncio.to_thread(migrate, database_url)
    assert sorted(await fetch(OBJECTS, SCHEMAS)) == sorted(built)


@each_owner
async def test_the_models_equal_the_database(
    owner: SchemaOwner, database_url: str, fetch: Fetch, on_sync: OnSync[Any]
) -> None:
    await asyncio.to_thread(migrate, database_url)
    migrated = await fetch(DESCRIBE, owner.schema)
    chain = owner.migrations(database_url)
    for later in reversed(SCHEMA_OWNERS[SCHEMA_OWNERS.index(owner) :]):
        await asyncio.to_thread(later.migrations(database_url).downgrade, "base")
    assert await asyncio.to_thread(chain.current_revision) is None
    await on_sync(owner.metadata.create_all)
    assert await fetch(DESCRIBE, owner.schema) == migrated


@each_owner
async def test_alembic_finds_nothing_left_to_generate(
    owner: SchemaOwner, database_url: str, on_sync: OnSync[list[Any]]
) -> None:
    await asyncio.to_thread(migrate, database_url)

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "schema" or name == owner.schema

    def compare(connection: Connection) -> list[Any]:
        options: dict[str, Any] = {
            "include_schemas": True,
            "include_name": is_ours,
            "version_table_schema": owner.schema,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, owner.metadata)

    assert await on_sync(compare) == []


async def test_a_chain_without_its_prerequisite_names_it(database_url: str, fetch: Fetch) -> None:
    jobs = SCHEMA_OWNERS[1].migrations(database_url)
    with pytest.raises(Exception, match="migrate the gateway first"):
        await asyncio.to_thread(jobs.upgrade)
    assert await fetch(OBJECTS, SCHEMAS) == []


async def test_a_prerequisite_is_not_downgraded_before_its_dependants(database_url: str) -> None:
    await asyncio.to_thread(migrate, database_url)
    gateway = SCHEMA_OWNERS[0].migrations(database_url)
    with pytest.raises(Exception, match="other objects depend on it"):
        await asyncio.to_thread(gateway.downgrade, "base")
    assert await asyncio.to_thread(gateway.current_revision) == STAMP


def head_of(owner: SchemaOwner) -> str:
    migrations = owner.migrations("postgresql://user@localhost/none")
    head = ScriptDirectory.from_config(migrations.alembic_config()).get_current_head()
    assert head is not None
    return head


async def test_a_login_without_superuser_rights_can_migrate(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    """Managed Postgres gives none; like Supabase, it brings the roles that need one."""
    server = private_postgres()
    admin = await asyncpg.connect(server.url)
    try:
        await admin.execute(MANAGED)
        await admin.execute("CREATE DATABASE managed OWNER deployer")
        login = server.url.replace(f"postgres:{server.password}", "deployer:secret")
        login = login.removesuffix("postgres") + "managed"
        await asyncio.to_thread(migrate, login)
        await asyncio.to_thread(SCHEMA_OWNERS[-1].migrations(login).downgrade, "base")
        await asyncio.to_thread(migrate, login)
    finally:
        await admin.close()
    connection = await asyncpg.connect(login)
    try:
        assert await find_problems(connection) == []
    finally:
        await connection.close()


async def test_databases_of_one_server_can_be_migrated_for_the_first_time_at_once(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    program = "import sys; from msaas.local.migrate import migrate; migrate(sys.argv[1])"
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(fresh_database(server.url)) for _ in range(3)]
        migrators = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", program, url) for url in urls
        ]
        assert await asyncio.gather(*(migrator.wait() for migrator in migrators)) == [0, 0, 0]


@each_owner
def test_no_revision_takes_a_blocking_lock(owner: SchemaOwner, tmp_path: Path) -> None:
    sql = owner.migrations("postgresql://user@localhost/none").render_sql()
    transactions = f"BEGIN; --{sql.partition('-- Running upgrade')[2]}"
    scripts: list[Path] = []
    # A script for each transaction, and for what runs between two of them.
    for number, part in enumerate(
        re.split(r"^(?=BEGIN;)|(?<=^COMMIT;)$", transactions, flags=re.MULTILINE)
    ):
        scripts.append(tmp_path / f"{owner.schema}-{number}.sql")
        scripts[-1].write_text(part)
    done = subprocess.run(
        [tool_path("squawk"), *SQUAWK, *scripts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_blocking_lock_is_found(tmp_path: Path) -> None:
    script = tmp_path / "planted.sql"
    script.write_text("CREATE INDEX jobs_by_worker ON jobs.jobs (worker);")
    done = subprocess.run(
        [tool_path("squawk"), *SQUAWK, script], capture_output=True, text=True, check=False
    )
    assert "require-concurrent-index-creation" in done.stdout
