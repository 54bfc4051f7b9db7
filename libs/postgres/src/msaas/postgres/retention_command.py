"""The operator's command on retention: counts what is due, or removes it in one pass."""

import sys
from collections.abc import Callable

from msaas.postgres.database import Database
from msaas.postgres.postgres_config import PostgresConfig
from msaas.postgres.retention import Retention
from msaas.settings import PostgresSettings
from msaas.telemetry import Metrics, configure_logging

BuildRetention = Callable[[Database, Metrics], Retention]


async def enforce_retention(
    settings: PostgresSettings, owner: str, build: BuildRetention, *, is_dry_run: bool
) -> None:
    """Write a line of JSON for each class of data; exit with 1 if one was left early."""
    environment = str(settings.environment)
    configure_logging(owner, environment, level="WARNING", stream=sys.stderr.buffer)
    metrics = Metrics(owner, environment)
    config = PostgresConfig(settings.database_url.get_secret_value(), max_size=2)
    async with Database(config, metrics) as database:
        retention = build(database, metrics)
        is_complete = await retention.report(sys.stdout.write, is_dry_run=is_dry_run)
    if not is_complete:
        raise SystemExit(1)
