"""Connection pools and per-user read transactions for one Postgres configuration.

Migrations are in `msaas.postgres.migrations`: Alembic would slow the start of every process.
"""

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
    "translate_error",
]
