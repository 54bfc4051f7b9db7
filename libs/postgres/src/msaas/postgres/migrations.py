"""Alembic migrations per owner: own schema, own version table, one migrator at a time."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import ClassVar, Final

import asyncpg
from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine

from msaas.kernel import ErrorKind, MsaasError
from msaas.postgres.engine import connect, create_engine
from msaas.postgres.postgres_config import PostgresConfig

_OWNER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TRY_LOCK: Final = """BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; DO $$ BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('msaas.migrations', 0)) THEN
    RAISE lock_not_available;
  END IF;
END $$"""
_SET_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '2s'"


class MigrationLockHeld(MsaasError):
    code: ClassVar[str] = "overloaded"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAVAILABLE
    retryable: ClassVar[bool] = True
    default_message = "Another migration is running on this database."


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations of one owner. Calls block and run their own event loop: use a thread."""

    owner: str
    scripts: Path
    postgres_config: PostgresConfig
    statement_timeout: float = 600.0
    lock_wait: float = 300.0

    def __post_init__(self) -> None:
        if not _OWNER.fullmatch(self.owner):
            raise ValueError(f"{self.owner!r} cannot name a schema")

    def upgrade(self, revision: str = "head") -> None:
        command.upgrade(self.alembic_config(), revision)

    def downgrade(self, revision: str) -> None:
        command.downgrade(self.alembic_config(), revision)

    def render_sql(self, revision: str = "head") -> str:
        """Return the SQL that `upgrade` would run; needs no server."""
        output = StringIO()
        command.upgrade(self.alembic_config(output), revision, sql=True)
        return output.getvalue()

    def current_revision(self) -> str | None:
        return asyncio.run(self._current_revision())

    def alembic_config(self, output: StringIO | None = None) -> Config:
        """Return Alembic's configuration, for commands that are not wrapped here."""
        config = Config(output_buffer=output)
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["migrations"] = self
        return config

    async def _current_revision(self) -> str | None:
        def read(connection: Connection) -> str | None:
            options = {"version_table_schema": self.owner}
            return MigrationContext.configure(connection, opts=options).get_current_revision()

        async with self.engine() as engine, engine.connect() as connection:
            return await connection.run_sync(read)

    @asynccontextmanager
    async def engine(self) -> AsyncGenerator[AsyncEngine]:
        config = replace(self.postgres_config, command_timeout=self.statement_timeout)
        engine = create_engine(config)
        try:
            yield engine
        finally:
            await engine.dispose()


def run_migrations(metadata: MetaData | None = None) -> None:
    """Run migrations; the only call in a service's `migrations/env.py`."""
    migrations: Migrations = context.config.attributes["migrations"]
    if context.is_offline_mode():
        _configure(migrations, metadata)
        _run(migrations)
    else:
        asyncio.run(_run_online(migrations, metadata))


async def _run_online(migrations: Migrations, metadata: MetaData | None) -> None:
    def run(connection: Connection) -> None:
        event.listen(connection, "begin", _set_lock_timeout)
        _configure(migrations, metadata, connection)
        _run(migrations)

    async with (
        migrations.engine() as engine,
        _migration_lock(migrations),
        engine.connect() as connection,
    ):
        await connection.run_sync(run)


@asynccontextmanager
async def _migration_lock(migrations: Migrations) -> AsyncGenerator[None]:
    """Take the database's migration lock on a separate connection.

    The lock is polled in one simple query: a waiting statement or an open portal would hold a
    snapshot, and CREATE INDEX CONCURRENTLY waits for the end of every snapshot. The lock belongs to
    a transaction, so that it survives a transaction pooler.
    """
    connection = await connect(migrations.postgres_config)
    try:
        await _wait_for_lock(connection, migrations.lock_wait)
        yield
    finally:
        await connection.close(timeout=1.0)


async def _wait_for_lock(connection: asyncpg.Connection, max_wait: float) -> None:
    try:
        async with asyncio.timeout(max_wait):
            while not await _try_lock(connection):  # noqa: ASYNC110 - the event is in another process
                await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter, not a secret
    except TimeoutError as error:
        raise MigrationLockHeld from error


async def _try_lock(connection: asyncpg.Connection) -> bool:
    try:
        await connection.execute(_TRY_LOCK)
    except asyncpg.LockNotAvailableError:
        await connection.execute("ROLLBACK")
        return False
    return True


def _set_lock_timeout(connection: Connection) -> None:
    """Fail rather than queue behind a long transaction: other queries would queue behind us."""
    connection.exec_driver_sql(_SET_LOCK_TIMEOUT)


def _configure(
    migrations: Migrations, metadata: MetaData | None, connection: Connection | None = None
) -> None:
    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "schema" or name == migrations.owner

    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        version_table_schema=migrations.owner,
        include_schemas=True,
        include_name=is_ours,
        transaction_per_migration=True,
        literal_binds=connection is None,
    )


def _run(migrations: Migrations) -> None:
    with context.begin_transaction():
        context.execute(f"CREATE SCHEMA IF NOT EXISTS {migrations.owner}")
        context.run_migrations()
