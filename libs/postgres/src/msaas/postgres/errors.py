"""The one place that turns what the driver and the network raise into errors of ours.

MsaasError
├── DependencyUnavailable
│   ├── DatabaseUnavailable   nobody answers: refused, shutting down, starting, too many clients
│   └── PoolExhausted         (also Overloaded) every connection of this process is taken
├── CommandTimeout            the server lives, this statement took too long
└── Contended                 another transaction was in the way: do it again

Everything else (a unique violation, a syntax error) is the caller's business and passes.
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
DRIVER_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class DatabaseUnavailable(DependencyUnavailable):
    default_message = "The database cannot be reached."


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
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleSessionTimeoutError,
    OSError,
)
_CONFLICTS: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)


def translate_error(error: BaseException, *, connection_closed: bool = False) -> MsaasError | None:
    """Our error for theirs, or None for one that carries meaning of its own."""
    if isinstance(error, TimeoutError | asyncpg.QueryCanceledError):  # TimeoutError is an OSError
        return CommandTimeout(target=TARGET)
    if isinstance(error, _CONFLICTS):
        return TransactionConflict(reason=type(error).__name__)
    if isinstance(error, _UNREACHABLE) or (
        connection_closed and isinstance(error, asyncpg.InterfaceError)
    ):
        return DatabaseUnavailable(target=TARGET, reason=type(error).__name__)
    return None


def translate_connect_error(error: BaseException) -> DatabaseUnavailable | None:
    """As `translate`, for errors before the first statement: there, even a timeout is an outage."""
    if translate_error(error, connection_closed=True) is None:
        return None
    return DatabaseUnavailable(target=TARGET, reason=type(error).__name__)
