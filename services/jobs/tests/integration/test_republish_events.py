"""A new epoch of the wire: what is still true is told again, once for all processes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from msaas.contracts import (
    CancelRequested,
    Plan,
    SubscriptionChanged,
    UsageNoted,
    UsageRecorded,
)
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.republish import ADVISORY_LOCK, PostgresRepublishStore
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application import republish_events
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.billing_ports import BillingEvent
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.jobs.application.results_ports import RepublishInProgress
from msaas.jobs.bootstrap import PRODUCES
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.worker import find_cancelled


@pytest.fixture
def messenger(environment: str, open_broker: Callable[..., Any]) -> Messenger:
    return Messenger(
        open_broker(), "jobs", environment, metrics=Metrics("jobs", "test"), produces=PRODUCES
    )


@pytest.fixture
def republish(database: Database, messenger: Messenger) -> RepublishEvents:
    return RepublishEvents(
        PostgresRepublishStore(database), BrokerWorkerQueue(messenger), messenger.publisher
    )


async def test_usage_is_told_again_just_as_it_was_told(
    given: Any, results: Any, republish: RepublishEvents, read_topic: Any, charges: Any
) -> None:
    runs = [*await given.runs(3), *await given.runs(2, plan="FREE")]
    told = charges(await results.persist(*[run.succeeded() for run in runs]))
    await republish("first")
    again: list[UsageRecorded] = await read_topic("usage.events")
    assert sorted(again, key=lambda one: one.hash) == sorted(told, key=lambda one: one.hash)


async def test_links_that_charge_nothing_are_told_again_too_so_that_there_is_no_gap(
    given: Any, results: Any, database: Database, republish: RepublishEvents, read_topic: Any
) -> None:
    [run] = await given.runs(plan="FREE")
    now = datetime.now(UTC)
    change = SubscriptionChanged(
        user_id=run.user,
        version=1,
        plan=Plan.PRO,
        status="active",
        jobs_limit=10_000,
        period_start=now,
        period_end=now + timedelta(days=30),
    )
    apply = ApplyBilling(
        PostgresBilling(database), Metrics("jobs", "test"), request_dispatch=lambda: None
    )
    await apply([BillingEvent(message=change, correlation_id="c")])
    await results.persist(run.succeeded())
    await republish("first")
    told = sorted(await read_topic("usage.events"), key=lambda one: one.seq)
    assert [(type(one), one.seq) for one in told] == [(UsageNoted, 1), (UsageRecorded, 2)]
    assert told[1].prev_hash == told[0].hash


async def test_an_epoch_is_served_once_and_the_next_one_again(
    given: Any, results: Any, republish: RepublishEvents, read_topic: Any, rows: asyncpg.Connection
) -> None:
    run = await given.run()
    await results.persist(run.succeeded())
    await republish("first")
    await republish("first")
    assert len(await read_topic("usage.events")) == 1
    await republish("second")
    assert len(await read_topic("usage.events")) == 2
    assert await rows.fetchval("SELECT epoch FROM jobs.wire_epoch") == "second"


async def test_a_day_later_it_is_done_anyway(
    given: Any, results: Any, republish: RepublishEvents, read_topic: Any, rows: asyncpg.Connection
) -> None:
    run = await given.run()
    await results.persist(run.succeeded())
    await republish("first")
    await rows.execute("UPDATE jobs.wire_epoch SET served_at = now() - interval '25 hours'")
    await republish("first")
    await republish("first")
    assert len(await read_topic("usage.events")) == 2


async def test_only_the_present_and_the_previous_period_are_told(
    given: Any, results: Any, republish: RepublishEvents, read_topic: Any, rows: asyncpg.Connection
) -> None:
    runs = await given.runs(3)
    await rows.execute("DELETE FROM jobs.usage_counters")
    for job, year in zip(runs, (2023, 2024, 2025), strict=True):
        await rows.execute(
            "INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start,"
            " period_end, jobs_reserved) SELECT gen_random_uuid(), user_id, subject_id, plan,"
            " make_timestamptz($1, 1, 1, 0, 0, 0), make_timestamptz($1 + 1, 1, 1, 0, 0, 0), 1"
            " FROM jobs.subjects",
            year,
        )
        await rows.execute(
            "UPDATE jobs.jobs SET usage_period = make_timestamptz($2, 1, 1, 0, 0, 0) WHERE id = $1",
            *(job.job, year),
        )
    await rows.execute("UPDATE jobs.subjects SET period_start = '2025-01-01Z'")
    await results.persist(*[run.succeeded() for run in runs])
    await republish("first")
    told = {one.period_start.year for one in await read_topic("usage.events")}
    assert told == {2024, 2025}


async def test_open_cancels_are_marked_and_told_and_dispatch_is_not(
    given: Any, results: Any, republish: RepublishEvents, read_topic: Any, messenger: Messenger
) -> None:
    stopping, running, done, _pending = [await given.run() for _ in range(4)]
    await results.persist(stopping.started(), running.started(), done.started())
    for run in (stopping, done):
        await given.ask_to_stop(run)
    await results.persist(done.succeeded())
    await republish("first")
    told: list[CancelRequested] = await read_topic("jobs.control")
    assert [(one.job_id, one.fence) for one in told] == [(stopping.job, stopping.fence)]
    jobs = [one.job for one in (stopping, running, done)]
    assert await find_cancelled(messenger, jobs) == {stopping.job}
    assert await read_topic("jobs.generic") == []


async def test_it_goes_page_by_page(
    given: Any,
    results: Any,
    republish: RepublishEvents,
    read_topic: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = [*await given.runs(5), *await given.runs(6)]
    await results.persist(*[run.succeeded() for run in runs])
    monkeypatch.setattr(republish_events, "PAGE", 4)
    await republish("first")
    assert len({one.hash for one in await read_topic("usage.events")}) == 11


async def test_a_full_topic_ends_it_without_an_error(
    given: Any, results: Any, database: Database, messenger: Messenger, rows: asyncpg.Connection
) -> None:
    class Full:
        async def publish(self, *_: Any, **__: Any) -> None:
            return None

    await results.persist((await given.run()).succeeded())
    workers = BrokerWorkerQueue(messenger)
    await RepublishEvents(PostgresRepublishStore(database), workers, Full())("first")
    assert await rows.fetchval("SELECT epoch FROM jobs.wire_epoch") == "first"


async def test_an_epoch_counts_as_served_only_when_all_is_told(
    given: Any, results: Any, database: Database, messenger: Messenger, rows: asyncpg.Connection
) -> None:
    class Away:
        async def publish(self, *_: Any, **__: Any) -> None:
            raise ConnectionError

    await results.persist((await given.run()).succeeded())
    with pytest.raises(ConnectionError):
        await RepublishEvents(
            PostgresRepublishStore(database), BrokerWorkerQueue(messenger), Away()
        )("first")
    assert await rows.fetchval("SELECT count(*) FROM jobs.wire_epoch") == 0


async def test_while_another_process_is_at_it_this_one_is_told_again_later(
    republish: RepublishEvents, rows: asyncpg.Connection
) -> None:
    await rows.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    with pytest.raises(RepublishInProgress):
        await republish("first")
    await rows.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
    await republish("first")
    assert await rows.fetchval("SELECT epoch FROM jobs.wire_epoch") == "first"


async def test_a_service_that_starts_on_an_empty_wire_tells_all(
    given: Any, results: Any, start_service: Any, read_topic: Any
) -> None:
    runs = await given.runs(3)
    await results.persist(*[run.succeeded() for run in runs])
    await asyncio.gather(start_service(), start_service())

    async def is_told() -> bool:
        return {one.job_id for one in await read_topic("usage.events")} == {r.job for r in runs}

    await wait_until(is_told)
    assert len(await read_topic("usage.events")) == 3
