"""The one way to change the database: lock what a batch needs, decide in memory, store the rest."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from msaas.kernel import RetryPolicy
from msaas.postgres import TransactionConflict

T = TypeVar("T")
Request_contra = TypeVar("Request_contra", contravariant=True)
Locked_co = TypeVar("Locked_co", covariant=True)
Changes_contra = TypeVar("Changes_contra", contravariant=True)
Stored_co = TypeVar("Stored_co", covariant=True)


class Transaction(Protocol[Request_contra, Locked_co, Changes_contra, Stored_co]):
    async def lock(self, request: Request_contra, /) -> Locked_co:
        """Lock and read the rows that the request needs: subjects before jobs, each by id."""
        ...

    async def store(self, changes: Changes_contra, /) -> Stored_co:
        """Write what changed, and return the rows as they are now."""
        ...


class Store(Protocol[Request_contra, Locked_co, Changes_contra, Stored_co]):
    def begin(
        self,
    ) -> AbstractAsyncContextManager[
        Transaction[Request_contra, Locked_co, Changes_contra, Stored_co]
    ]:
        """Begin a transaction that commits when its context ends without an error."""
        ...


async def retry_on_conflict(work: Callable[[], Awaitable[T]], *, attempts: int = 3) -> T:
    """Run a transaction again where others held its rows for longer than the lock timeout."""
    policy = RetryPolicy(base=0.05, cap=0.5, attempts=attempts)
    return await policy.run(work, retry_on=(TransactionConflict,))
