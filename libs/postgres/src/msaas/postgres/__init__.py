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
from msaas.postgres.retention import (
    Batch,
    Retention,
    RetentionCount,
    RetentionInProgress,
    RetentionTask,
)
from msaas.postgres.retention_rules import (
    BeginRemoval,
    ExpiringRows,
    Key,
    Page,
    Removal,
    RetentionRule,
)

__all__ = [
    "HOT_ROW_LOCK_TIMEOUT",
    "Batch",
    "BeginRemoval",
    "CommitUnconfirmed",
    "Database",
    "DatabaseConnection",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "ExpiringRows",
    "Key",
    "MigrationLockHeld",
    "Migrations",
    "Page",
    "PoolExhausted",
    "PostgresConfig",
    "Removal",
    "Retention",
    "RetentionCount",
    "RetentionInProgress",
    "RetentionRule",
    "RetentionTask",
    "TransactionConflict",
    "create_engine",
    "run_migrations",
    "translate_error",
]
