"""Connection pools, per-user read transactions and migrations for one Postgres configuration."""

from msaas.postgres.connection import DatabaseConnection
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, Database
from msaas.postgres.engine import create_engine
from msaas.postgres.errors import (
    CommitUnconfirmed,
    DatabaseReadOnly,
    DatabaseUnavailable,
    PoolExhausted,
    TransactionConflict,
    translate_error,
)
from msaas.postgres.migrations import MigrationLockHeld, Migrations, run_migrations
from msaas.postgres.postgres_config import PostgresConfig

__all__ = [
    "HOT_ROW_LOCK_TIMEOUT",
    "CommitUnconfirmed",
    "Database",
    "DatabaseConnection",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "MigrationLockHeld",
    "Migrations",
    "PoolExhausted",
    "PostgresConfig",
    "TransactionConflict",
    "create_engine",
    "run_migrations",
    "translate_error",
]
