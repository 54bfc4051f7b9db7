"""Three ways to use the database; each has time limits and leaves its connection clean."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple, Self
from uuid import UUID

from msaas.kernel import CommandTimeout, RetryPolicy
from msaas.postgres.connection import (
    DatabaseConnection,
    RawConnection,
    TimedStatement,
    terminate_connection,
)
from msaas.postgres.errors import (
    DRIVER_ERRORS,
    TARGET,
    CommitUnconfirmed,
    DatabaseReadOnly,
    DatabaseUnavailable,
    translate_connect_error,
)
from msaas.postgres.pool import BoundedPool
from msaas.postgres.postgres_config import PostgresConfig
from msaas.postgres.slow_queries import SlowQueryMonitor
from msaas.telemetry import Metrics

HOT_ROW_LOCK_TIMEOUT: Final = 0.25
TRANSACTION_TIMEOUT: Final = 30.0

# SET LOCAL ends with the transaction, behind a transaction pooler too. The RESETs undo what a
# caller may have SET for the session, without another round trip. In a failed transaction they
# raise, where COMMIT alone would roll back silently.
_COMMIT: Final = "RESET ROLE; RESET ALL; COMMIT"
_ROLLBACK: Final = "ROLLBACK; RESET ROLE; RESET ALL; SELECT pg_advisory_unlock_all(); UNLISTEN *"
_BEGIN_TIMEOUT: Final = 1.0  # BEGIN and ROLLBACK wait for no other transaction
_RECONNECT: Final = RetryPolicy(base=0.1, cap=1.0, attempts=3, budget=2.0)
# The server ends the session of a process that was frozen in a transaction: its locks are freed.
_IDLE_TIMEOUT: Final = "SET LOCAL idle_in_transaction_session_timeout = {}"
# A session that is frozen between Parse and Bind counts as active; only this timeout ends it.
_TIME_LIMIT: Final = "SET LOCAL transaction_timeout = {}"
_FIRST_WITH_TIME_LIMIT: Final = 17


class _Begin(NamedTuple):
    """The statements that begin a transaction, and the limits that the server puts on it."""

    statements: str
    idle_timeout: float
    time_limit: float
    read_only: bool = False

    def build_sql(self, server_major: int) -> str:
        """Return one simple query, and so one round trip."""
        parts = [self.statements, _IDLE_TIMEOUT.format(_milliseconds(self.idle_timeout))]
        if server_major >= _FIRST_WITH_TIME_LIMIT:
            parts.append(_TIME_LIMIT.format(_milliseconds(self.time_limit)))
        return "; ".join(parts)


class Database:
    """One pool; `open` needs no server, so that a process can start without Postgres."""

    def __init__(self, postgres_config: PostgresConfig, metrics: Metrics) -> None:
        self._pool = BoundedPool(postgres_config, metrics)
        self._idle_timeout = postgres_config.idle_transaction_timeout
        self._slow_queries = SlowQueryMonitor(postgres_config.slow_query_threshold, metrics)

    async def open(self) -> None:
        await self._pool.open()

    async def close(self, grace: float = 5.0) -> None:
        """Wait `grace` seconds for the connections in use, then close them."""
        await self._pool.close(grace)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ping(self) -> None:
        """Raise DependencyUnavailable unless a statement can run now."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def read_as(self, user_id: UUID | str) -> AsyncGenerator[DatabaseConnection]:
        """Open a read-only transaction that sees what row-level security lets this user see."""
        # A simple query takes no parameters; the interpolated value is a parsed UUID.
        subject = UUID(str(user_id))
        statements = (
            "BEGIN READ ONLY; SET LOCAL ROLE authenticated; SET LOCAL request.jwt.claims = "
            f'\'{{"sub":"{subject}","role":"authenticated"}}\''
        )
        begin = _Begin(statements, self._idle_timeout, TRANSACTION_TIMEOUT, read_only=True)
        async with self._checked_out_connection(begin, _COMMIT) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(
        self,
        *,
        lock_timeout: float | None = HOT_ROW_LOCK_TIMEOUT,
        time_limit: float = TRANSACTION_TIMEOUT,
    ) -> AsyncGenerator[DatabaseConnection]:
        """Open a transaction as the login; TransactionConflict after `lock_timeout` seconds.

        The server ends the session, and so frees the locks, where the transaction idles for the
        configured time or lasts longer than `time_limit` seconds (the latter from Postgres 17 on).
        """
        statements = "BEGIN"
        if lock_timeout is not None:
            statements += f"; SET LOCAL lock_timeout = {_milliseconds(lock_timeout)}"
        begin = _Begin(statements, self._idle_timeout, time_limit)
        async with self._checked_out_connection(begin, _COMMIT) as connection:
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[DatabaseConnection]:
        """Single statements, each its own transaction."""
        async with self._checked_out_connection(None, _ROLLBACK) as connection:
            yield connection

    @asynccontextmanager
    async def _checked_out_connection(
        self, begin: _Begin | None, end_sql: str
    ) -> AsyncGenerator[DatabaseConnection]:
        raw = await self._acquire(begin)
        observe, is_committing = self._slow_queries.observe, False
        try:
            read_only = begin is not None and begin.read_only
            yield DatabaseConnection(raw, observe, read_only=read_only)
            is_committing = begin is not None and not read_only
            with TimedStatement(raw, end_sql, observe):
                await raw.execute(end_sql)
        except BaseException as error:
            answered = await _rollback(raw)
            if isinstance(error, DatabaseReadOnly):
                # The session would stay read-only; a new one finds the primary of the moment.
                terminate_connection(raw)
            elif is_committing and isinstance(error, CommandTimeout | DatabaseUnavailable):
                raise CommitUnconfirmed(target=TARGET, reason=type(error).__name__) from error
            elif isinstance(error, CommandTimeout) and not answered:
                # A slow statement would leave a server that answers ROLLBACK; this one is down.
                raise DatabaseUnavailable(target=TARGET, reason="no answer") from error
            raise
        finally:
            await self._pool.release(raw)

    async def _acquire(self, begin: _Begin | None) -> RawConnection:
        """Take a connection and BEGIN on it; a broken one is replaced, as nothing has run."""
        attempt = partial(self._acquire_once, begin)
        try:
            return await attempt()
        except DatabaseUnavailable:
            return await _RECONNECT.run(attempt, retry_on=(DatabaseUnavailable,))

    async def _acquire_once(self, begin: _Begin | None) -> RawConnection:
        raw = await self._pool.acquire()
        if begin is None:
            return raw
        try:
            begin_sql = begin.build_sql(raw.get_server_version().major)
            await raw.execute(begin_sql, timeout=_BEGIN_TIMEOUT)
        except BaseException as error:
            terminate_connection(raw)
            await self._pool.release(raw)
            typed = translate_connect_error(error)
            if typed is None:
                raise
            raise typed from error
        return raw


async def _rollback(raw: RawConnection) -> bool:
    """Return whether the server answered; otherwise the connection is terminated."""
    try:
        await raw.execute(_ROLLBACK, timeout=_BEGIN_TIMEOUT)
    except DRIVER_ERRORS:
        terminate_connection(raw)
        return False
    return True


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
