"""A quota that is not enforced: jobs over it are accepted, counted and logged."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import FakeWorkerQueue

from msaas.contracts import Plan
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.command_batch import CommandContext, CommandOutcome
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.settings import Settings
from msaas.postgres import Database
from msaas.settings import load_settings
from msaas.telemetry import Metrics

ENVIRON = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://localhost/x",
    "REDIS_URL": "redis://localhost",
}


async def test_what_is_over_the_limit_is_metered_and_never_refused(
    database: Database,
    workers: FakeWorkerQueue,
    submit_job: Callable[..., Any],
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    metrics = Metrics("jobs", "test")
    settle = ProcessCommands(
        PostgresStore(database, PostgresIntake),
        workers,
        metrics,
        request_dispatch=lambda: None,
        enforces_quota=False,
    )
    jobs = [submit_job(user, plan=Plan.FREE) for _ in range(103)]
    processed = await settle([CommandContext(command=job, correlation_id="test") for job in jobs])
    assert all(isinstance(transition, CommandOutcome) for transition in processed.outcomes)
    counted = await rows.fetchrow("SELECT jobs_reserved, jobs_limit FROM jobs.usage_counters")
    assert counted is not None
    assert tuple(counted.values()) == (103, 100)
    labels = {"plan": "FREE", "service": "jobs", "environment": "test"}
    assert metrics.registry.get_sample_value("msaas_quota_overruns_total", labels) == 3


@pytest.mark.parametrize(("value", "enforced"), [("false", False), ("", True), ("true", True)])
def test_enforcement_is_a_setting_and_on_by_default(value: str, enforced: bool) -> None:  # noqa: FBT001  # a table's column
    settings = load_settings(Settings, {**ENVIRON, "FF_BILLING_ENFORCEMENT_ENABLED": value})
    assert settings.billing_enforcement_enabled is enforced
