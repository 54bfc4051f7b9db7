"""One checked-out connection: five calls, timed, with translated errors."""

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, TypeAlias

import asyncpg
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

from msaas.postgres.errors import DatabaseReadOnly, translate_error

RawConnection: TypeAlias = PoolConnectionProxy
OnStatement: TypeAlias = Callable[[str, float], None]


class DatabaseConnection:
    """Statements with `$1` parameters, as asyncpg takes them; `raw` is asyncpg's own, for COPY."""

    __slots__ = ("_on_statement", "_read_only", "raw")

    def __init__(
        self, raw: RawConnection, on_statement: OnStatement, *, read_only: bool = False
    ) -> None:
        self.raw = raw
        self._on_statement = on_statement
        self._read_only = read_only

    async def fetch(self, sql: str, *values: object) -> list[Record]:
        with self._timed(sql):
            return await self.raw.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Record | None:
        with self._timed(sql):
            return await self.raw.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:
        with self._timed(sql):
            return await self.raw.fetchval(sql, *values)

    async def execute(self, sql: str, *values: object) -> str:
        with self._timed(sql):
            return await self.raw.execute(sql, *values)

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        with self._timed(sql):
            await self.raw.executemany(sql, rows)

    def _timed(self, sql: str) -> "TimedStatement":
        return TimedStatement(self.raw, sql, self._on_statement, read_only=self._read_only)


def is_connection_closed(raw: RawConnection) -> bool:
    """Return whether the connection is closed; asyncpg's proxy raises after it was released."""
    try:
        return raw.is_closed()
    except asyncpg.InterfaceError:
        return True


def terminate_connection(raw: RawConnection) -> None:
    if not is_connection_closed(raw):
        raw.terminate()


class TimedStatement:
    """Times one round trip and translates its error; it never sees parameter values.

    In a transaction that the caller has made `read_only`, a refused write is the caller's fault.
    """

    __slots__ = ("_on_statement", "_raw", "_read_only", "_sql", "_started")

    def __init__(
        self, raw: RawConnection, sql: str, on_statement: OnStatement, *, read_only: bool = False
    ) -> None:
        self._read_only = read_only
        self._raw = raw
        self._sql = sql
        self._on_statement = on_statement

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._on_statement(self._sql, perf_counter() - self._started)
        if error is not None:
            typed = translate_error(error, connection_closed=is_connection_closed(self._raw))
            if typed is not None and not (self._read_only and isinstance(typed, DatabaseReadOnly)):
                raise typed from error
