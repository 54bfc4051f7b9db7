"""The service applies the committed samples of billing events, over the real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio
from services.jobs.tests.support import OpenBroker, ReadTopic, StartService

from msaas.contracts import SubscriptionChanged, UsageNoted, UsageReported, get_topic
from msaas.jobs.bootstrap import SERVICE
from msaas.jobs.entrypoints.topics import billing
from msaas.messaging import Messenger
from msaas.telemetry import Metrics
from msaas.testing import wait_until

SAMPLES = Path(__file__).parents[4] / "contracts" / "samples" / "v1"
SUBJECT = """
INSERT INTO jobs.subjects (subject_id, user_id, period_start, period_end)
VALUES ($1, $2, '2026-01-01Z', '2026-02-01Z')
"""


@pytest_asyncio.fixture
async def publish(environment: str, open_broker: OpenBroker) -> AsyncIterator[Callable[..., Any]]:
    messenger = Messenger(
        open_broker(),
        "billing",
        environment,
        metrics=Metrics("billing", "test"),
    )
    running = asyncio.create_task(messenger.run())

    async def publish_(*facts: Any) -> None:
        for fact in facts:
            await messenger.publisher.publish(billing.TOPIC, fact, correlation_id="test")

    yield publish_
    messenger.drain()
    await running


async def test_the_committed_samples_are_applied_and_one_without_a_user_blocks_no_other(
    publish: Any, start_service: StartService, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    change = SubscriptionChanged.model_validate_json(
        (SAMPLES / "SubscriptionChanged.json").read_bytes()
    )
    report = UsageReported.model_validate_json((SAMPLES / "UsageReported.json").read_bytes())
    sql = "INSERT INTO identity.users (id, email) VALUES ($1, 'sample@example.com')"
    await rows.execute(sql, change.user_id)
    await rows.execute(SUBJECT, report.subject_id, change.user_id)
    orphan = report.model_copy(
        update={"subject_id": change.user_id, "stripe_event_id": "report-without-user"}
    )
    await publish(change, orphan, report, change)
    await start_service()

    async def are_published() -> bool:
        return len(await read_topic("usage.events")) >= 2

    await wait_until(are_published)
    entries: list[UsageNoted] = await read_topic("usage.events")
    assert {entry.kind for entry in entries} == {"plan_changed", "stripe_usage_reported"}
    stored = await rows.fetchrow("SELECT plan, next_plan, plan_version FROM jobs.subjects")
    assert stored is not None
    assert tuple(stored.values()) == ("PRO", "FREE", 3)
    assert await rows.fetchval("SELECT count(*) FROM jobs.usage_events") == 2


async def test_it_asks_for_no_topic_that_the_registry_does_not_grant() -> None:
    assert SERVICE in get_topic(billing.TOPIC).consumers
    assert all(SERVICE in get_topic(name).producers for name in ("jobs.events", "usage.events"))
