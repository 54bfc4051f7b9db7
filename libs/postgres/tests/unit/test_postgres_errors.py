"""Errors of the driver and of the network become errors of the project."""

import asyncpg
import pytest

from msaas.kernel import CommandTimeout, DependencyUnavailable, MsaasError, Overloaded
from msaas.postgres import (
    DatabaseReadOnly,
    DatabaseUnavailable,
    PoolExhausted,
    TransactionConflict,
    translate_error,
)


@pytest.mark.parametrize(
    ("driver_error", "expected"),
    [
        (ConnectionRefusedError(), DatabaseUnavailable),
        (asyncpg.ConnectionDoesNotExistError(), DatabaseUnavailable),
        (asyncpg.AdminShutdownError(), DatabaseUnavailable),
        (asyncpg.CannotConnectNowError(), DatabaseUnavailable),
        (asyncpg.TooManyConnectionsError(), DatabaseUnavailable),
        (asyncpg.IdleInTransactionSessionTimeoutError(), DatabaseUnavailable),
        (asyncpg.TransactionTimeoutError(), DatabaseUnavailable),
        (asyncpg.InternalClientError(), DatabaseUnavailable),
        (asyncpg.DiskFullError(), DatabaseUnavailable),
        (asyncpg.OutOfMemoryError(), DatabaseUnavailable),
        (asyncpg.PostgresIOError(), DatabaseUnavailable),
        (asyncpg.ReadOnlySQLTransactionError(), DatabaseReadOnly),
        (TimeoutError(), CommandTimeout),
        (asyncpg.QueryCanceledError(), CommandTimeout),
        (asyncpg.SerializationError(), TransactionConflict),
        (asyncpg.DeadlockDetectedError(), TransactionConflict),
        (asyncpg.LockNotAvailableError(), TransactionConflict),
    ],
)
def test_an_error_that_may_pass_is_typed_and_retryable(
    driver_error: Exception, expected: type[MsaasError]
) -> None:
    typed = translate_error(driver_error)
    assert type(typed) is expected
    assert expected.retryable


@pytest.mark.parametrize(
    "driver_error", [asyncpg.UniqueViolationError(), asyncpg.UndefinedTableError(), ValueError()]
)
def test_an_error_with_a_meaning_of_its_own_passes(driver_error: Exception) -> None:
    assert translate_error(driver_error) is None


def test_misuse_of_the_driver_is_an_outage_only_on_a_closed_connection() -> None:
    misuse = asyncpg.InterfaceError("connection is closed")
    assert translate_error(misuse) is None
    assert isinstance(translate_error(misuse, connection_closed=True), DependencyUnavailable)


def test_an_exhausted_pool_is_overload_and_never_counts_against_a_message() -> None:
    assert issubclass(PoolExhausted, Overloaded)
    assert issubclass(PoolExhausted, DependencyUnavailable)
    assert PoolExhausted.code == "overloaded"
