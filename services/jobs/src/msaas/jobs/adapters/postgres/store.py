"""Begins transactions of one kind, such as those of intake."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from msaas.postgres import Database, DatabaseConnection

T = TypeVar("T")


class PostgresStore(Generic[T]):
    def __init__(self, database: Database, transaction: Callable[[DatabaseConnection], T]) -> None:
        self._database = database
        self._transaction = transaction

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[T]:
        async with self._database.transaction() as connection:
            yield self._transaction(connection)
