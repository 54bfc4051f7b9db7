"""The operator's command on retention: counts what is due, or removes it in one pass."""

import sys

from msaas.jobs.bootstrap import SERVICE, build_retention, open_artifact_store
from msaas.jobs.settings import RetentionSettings
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics, configure_logging


async def enforce_retention(settings: RetentionSettings, *, is_dry_run: bool) -> None:
    """Write a line of JSON for each class of data; exit with 1 if one was left early."""
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level="WARNING", stream=sys.stderr.buffer)
    config = PostgresConfig(settings.database_url.get_secret_value(), max_size=2)
    metrics = Metrics(SERVICE, environment)
    async with Database(config, metrics) as database:
        retention = build_retention(database, open_artifact_store(settings), metrics)
        is_complete = await retention.report(sys.stdout.write, is_dry_run=is_dry_run)
    if not is_complete:
        raise SystemExit(1)
