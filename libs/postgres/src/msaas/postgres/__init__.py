"""Pools, tenant claims and migrations on one Postgres setting."""

from msaas.postgres.connection import Connection
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, Database
from msaas.postgres.engine import create_engine
from msaas.postgres.errors import Contended, DatabaseUnavailable, PoolExhausted, translate
from msaas.postgres.migrations import MigrationLockHeld, Migrations, run_migrations
from msaas.postgres.setting import PostgresSetting

__all__ = [
    "HOT_ROW_LOCK_TIMEOUT",
    "Connection",
    "Contended",
    "Database",
    "DatabaseUnavailable",
    "MigrationLockHeld",
    "Migrations",
    "PoolExhausted",
    "PostgresSetting",
    "create_engine",
    "run_migrations",
    "translate",
]
