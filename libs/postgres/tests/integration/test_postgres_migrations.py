"""The migrations of two owners in one database: up, down, up again; one migrator at a time."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from msaas.postgres import PostgresConfig
from msaas.postgres.migrations import MigrationLockHeld, Migrations

ENV = "from msaas.postgres.migrations import run_migrations\n\nrun_migrations()\n"
REVISION = """
from alembic import op

revision = "{revision}"
down_revision = {previous!r}
branch_labels = depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE {owner}.{table} (id int)")
    {more}


def downgrade() -> None:
    op.execute("DROP TABLE {owner}.{table}")
"""
CONCURRENTLY = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY ON {owner}.{table} (id)")"""


def make_chain(folder: Path, owner: str, url: str) -> Migrations:
    scripts = folder / owner
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text(ENV)
    previous = None
    for number, (table, more) in enumerate([("one", "pass"), ("two", CONCURRENTLY)], start=1):
        revision = f"{owner}_{number}"
        values = {"owner": owner, "table": table}
        text = REVISION.format(
            revision=revision, previous=previous, more=more.format(**values), **values
        )
        (scripts / "versions" / f"{revision}.py").write_text(text)
        previous = revision
    return Migrations(owner, scripts, PostgresConfig(url))


async def list_tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
            " WHERE schemaname IN ('alpha', 'beta')"
        )
    finally:
        await connection.close()
    return {row["name"] for row in rows}


async def test_two_chains_go_up_down_and_up_without_touching_each_other(
    tmp_path: Path, database_url: str
) -> None:
    alpha = make_chain(tmp_path, "alpha", database_url)
    beta = make_chain(tmp_path, "beta", database_url)
    assert await asyncio.to_thread(alpha.current_revision) is None
    await asyncio.to_thread(alpha.upgrade)
    await asyncio.to_thread(beta.upgrade, "beta_1")
    whole = {"alpha.one", "alpha.two", "alpha.alembic_version"}
    assert await list_tables(database_url) == whole | {"beta.one", "beta.alembic_version"}
    assert await asyncio.to_thread(alpha.current_revision) == "alpha_2"
    assert await asyncio.to_thread(beta.current_revision) == "beta_1"
    await asyncio.to_thread(alpha.downgrade, "base")
    assert await list_tables(database_url) == {
        "alpha.alembic_version",
        "beta.one",
        "beta.alembic_version",
    }
    await asyncio.to_thread(alpha.upgrade)
    assert await asyncio.to_thread(alpha.current_revision) == "alpha_2"


async def test_two_replicas_migrating_at_once_both_succeed(
    tmp_path: Path, database_url: str
) -> None:
    chain = make_chain(tmp_path, "alpha", database_url)
    program = (
        "import sys; from pathlib import Path\n"
        "from msaas.postgres import PostgresConfig\n"
        "from msaas.postgres.migrations import Migrations\n"
        "Migrations('alpha', Path(sys.argv[1]), PostgresConfig(sys.argv[2])).upgrade()"
    )
    arguments = [sys.executable, "-c", program, str(chain.scripts), database_url]
    replicas = [await asyncio.create_subprocess_exec(*arguments) for _ in range(2)]
    assert await asyncio.gather(*(replica.wait() for replica in replicas)) == [0, 0]
    assert await asyncio.to_thread(chain.current_revision) == "alpha_2"


async def test_waiting_for_another_migrator_ends(tmp_path: Path, database_url: str) -> None:
    chain = make_chain(tmp_path, "alpha", database_url)
    hurried = Migrations("alpha", chain.scripts, chain.postgres_config, lock_wait=0.3)
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("SELECT pg_advisory_lock(hashtextextended('msaas.migrations', 0))")
        with pytest.raises(MigrationLockHeld):
            await asyncio.to_thread(hurried.upgrade)
    finally:
        await holder.close()
    assert await list_tables(database_url) == set()


async def test_a_migration_fails_on_a_locked_table_and_changes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    chain = make_chain(tmp_path, "alpha", database_url)
    await asyncio.to_thread(chain.upgrade)
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("BEGIN; LOCK TABLE alpha.two")
        with pytest.raises(Exception, match="being changed by another"):
            await asyncio.to_thread(chain.downgrade, "base")
    finally:
        await holder.close()
    assert await asyncio.to_thread(chain.current_revision) == "alpha_2"


def test_offline_sql_names_schema_version_table_and_lock_timeout(tmp_path: Path) -> None:
    sql = make_chain(tmp_path, "alpha", "postgresql://nobody@127.0.0.1:1/none").render_sql()
    assert "CREATE SCHEMA IF NOT EXISTS alpha" in sql
    assert "CREATE TABLE alpha.alembic_version" in sql
    assert "CREATE TABLE alpha.two (id int)" in sql


def test_an_owner_that_is_no_schema_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot name a schema"):
        Migrations("alpha; drop", tmp_path, PostgresConfig("postgresql://h/app"))
