"""What retention removes: the rows of each class of data that are due, and what is done to them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from msaas.postgres.connection import DatabaseConnection

Key: TypeAlias = tuple[Any, ...]
BeginRemoval: TypeAlias = Callable[[], AbstractAsyncContextManager[DatabaseConnection]]
"""Opens a short transaction for one statement that removes."""


@dataclass(frozen=True, slots=True)
class Page:
    """The result of one search: `count` rows are due; None after the last page."""

    due: Sequence[Key]
    count: int
    next_after: Key | None


@dataclass(frozen=True, slots=True)
class Removal:
    """How many rows were removed; unless it is complete, the same page is searched again."""

    rows: int
    is_complete: bool = True


class RetentionRule(Protocol):
    """One class of data; `kept` says for people how long it is kept."""

    @property
    def name(self) -> str: ...

    @property
    def kept(self) -> str: ...

    async def find(self, connection: DatabaseConnection, after: Key | None, limit: int) -> Page:
        """Examine at most `limit` rows behind `after`, without a lock."""
        ...

    async def remove(self, begin: BeginRemoval, due: Sequence[Key], limit: int) -> Removal:
        """Remove what is still due of a page, at most `limit` rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringRows:
    """Rows of one table that are deleted, or changed so that they are no longer due.

    `order` has the columns of an index and their types, the primary key last; `key` names that key.
    `expired` and `due` are conditions on the alias `t`: the index serves `expired`; `due` may read
    other tables, in scalar subqueries, because the planner may hash the whole table for an EXISTS.
    `changes` are the assignments of an UPDATE; without them the rows are deleted. `related` changes
    rows of other tables that belong to those of `due`, in the same statement. `before` removes what
    is stored elsewhere: it is awaited outside any transaction, and what it raises leaves the rows
    as they are. `largest` is the largest batch.
    """

    name: str
    kept: str
    table: str
    order: Mapping[str, str]
    expired: str
    due: str = "true"
    key: Sequence[str] = ("id",)
    changes: str = ""
    related: str = ""
    before: Callable[[Sequence[Key]], Awaitable[None]] | None = None
    largest: int = 1_000

    async def find(self, connection: DatabaseConnection, after: Key | None, limit: int) -> Page:
        limit = min(limit, self.largest)
        rows = await connection.fetch(self._find_sql(after, limit), *(after or ()))
        due = [tuple(row[name] for name in self.key) for row in rows if row["is_due"]]
        last = tuple(rows[-1][name] for name in self.order) if len(rows) == limit else None
        return Page(due, len(due), last)

    async def remove(self, begin: BeginRemoval, due: Sequence[Key], limit: int) -> Removal:
        keys = due[:limit]
        if self.before:
            await self.before(keys)
        values = [list(column) for column in zip(*keys, strict=True)]
        async with begin() as connection:
            return Removal(await connection.fetchval(self._remove_sql(), *values))

    def _find_sql(self, after: Key | None, limit: int) -> str:
        columns = ", ".join(f"t.{name}" for name in self.order)
        values = ", ".join(f"${number}" for number in range(1, len(self.order) + 1))
        behind = f" AND ({columns}) > ({values})" if after else ""
        # The number is a part of the text, so that no plan is made for an unknown number of rows.
        page = (
            f"SELECT * FROM {self.table} t WHERE {self.expired}{behind}"  # noqa: S608  # text of the owner
            f" ORDER BY {columns} LIMIT {int(limit)}"
        )
        return f"SELECT {columns}, ({self.due}) AS is_due FROM ({page}) AS t ORDER BY {columns}"  # noqa: S608  # text of the owner

    def _remove_sql(self) -> str:
        """Lock what is free and still due; rows that another transaction changes are skipped."""
        keys = ", ".join(self.key)
        arrays = ", ".join(f"${n}::{self.order[name]}[]" for n, name in enumerate(self.key, 1))
        same = " AND ".join(f"t.{name} = due.{name}" for name in self.key)
        # An update of no key column leaves room for the foreign keys of new rows.
        strength = "NO KEY UPDATE" if self.changes else "UPDATE"
        removal = (
            f"UPDATE {self.table} t SET {self.changes} FROM due WHERE {same}"  # noqa: S608  # text of the owner
            if self.changes
            else f"DELETE FROM {self.table} t USING due WHERE {same}"  # noqa: S608  # text of the owner
        )
        related = f", related AS ({self.related})" if self.related else ""
        return (
            f"WITH due AS (SELECT {', '.join(f't.{name}' for name in self.key)} FROM {self.table} t"  # noqa: S608  # text of the owner
            f" JOIN unnest({arrays}) AS given ({keys}) USING ({keys})"
            f" WHERE {self.expired} AND ({self.due}) FOR {strength} OF t SKIP LOCKED),"
            f" removed AS ({removal} RETURNING 1){related} SELECT count(*) FROM removed"
        )
