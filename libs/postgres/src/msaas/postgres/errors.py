"""Translates errors of driver and network to errors of this project.

MsaasError
├── DependencyUnavailable
│   ├── DatabaseUnavailable   refused, shutting down, starting, too many clients, no answer,
│   │   │                     disk full, out of memory, I/O error, session ended by a time limit
│   │   ├── DatabaseReadOnly  it takes no writes now: a failover, or an operator
│   │   └── CommitUnconfirmed COMMIT was sent and not answered: it may have taken effect
│   └── PoolExhausted         (also Overloaded) every connection of this process is taken
├── CommandTimeout            the server answers, but this statement took too long
└── TransactionConflict       deadlock, serialization failure or lock timeout: retry

All other errors (a unique violation, a syntax error) pass unchanged.
"""

from typing import ClassVar, Final

import asyncpg

from msaas.kernel import (
    CommandTimeout,
    DependencyUnavailable,
    ErrorKind,
    MsaasError,
    Overloaded,
)

TARGET: Final = "postgres"
DRIVER_ERRORS: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class DatabaseUnavailable(DependencyUnavailable):
    default_message = "The database cannot be reached."


class DatabaseReadOnly(DatabaseUnavailable):
    default_message = "The database takes no writes now."


class CommitUnconfirmed(DatabaseUnavailable):
    """Repeating the work is safe only where a repetition changes nothing."""


class PoolExhausted(Overloaded, DependencyUnavailable):
    default_message = "All database connections are in use."


class TransactionConflict(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    retryable: ClassVar[bool] = True
    default_message = "The data is being changed by another request."


_UNREACHABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many clients
    asyncpg.PostgresSystemError,  # an I/O error, a file that is missing
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InternalClientError,  # the session's end arrives while a statement is being sent
    OSError,
)
_CONFLICTS: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)


def translate_error(error: BaseException, *, connection_closed: bool = False) -> MsaasError | None:
    """Return the translated error, or None for an error that passes unchanged."""
    if isinstance(error, TimeoutError | asyncpg.QueryCanceledError):  # TimeoutError is an OSError
        return CommandTimeout(target=TARGET)
    if isinstance(error, _CONFLICTS):
        return TransactionConflict(reason=type(error).__name__)
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return DatabaseReadOnly(target=TARGET)
    if isinstance(error, _UNREACHABLE) or (
        connection_closed and isinstance(error, asyncpg.InterfaceError)
    ):
        return DatabaseUnavailable(target=TARGET, reason=type(error).__name__)
    return None


def translate_connect_error(error: BaseException) -> DatabaseUnavailable | None:
    """Translate an error raised before the first statement, where a timeout is an outage too."""
    if translate_error(error, connection_closed=True) is None:
        return None
    return DatabaseUnavailable(target=TARGET, reason=type(error).__name__)
