"""In a new epoch of Redis, one process publishes all open facts again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from services.jobs.tests.support import (
    FakeWorkerQueue,
    Given,
    OpenBroker,
    ReadCharges,
    ReadTopic,
    ResultsHarness,
    StartService,
)

from msaas.contracts import (
    CancelRequested,
    Plan,
    SubscriptionChanged,
    UsageNoted,
    UsageRecorded,
)
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.republish import ADVISORY_LOCK, PostgresRepublish
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application import republish_events
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.billing_ports import BillingEvent
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.jobs.application.results_ports import RepublishInProgress
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.worker import find_cancelled


@pytest.fixture
def messenger(environment: str, open_broker: OpenBroker) -> Messenger:
    return Messenger(open_broker(), "jobs", environment, metrics=Metrics("jobs", "test"))


@pytest.fixture
def republish(database: Database, messenger: Messenger) -> RepublishEvents:
    store = PostgresStore(database, PostgresRepublish)
    return RepublishEvents(store, BrokerWorkerQueue(messenger), messenger.publisher)


async def test_usage_is_published_again_just_as_it_was_published(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    charges: ReadCharges,
) -> None:
    runs = [*await given.runs(3), *await given.runs(2, plan="FREE")]
    published = charges(await results.persist(*[run.succeeded() for run in runs]))
    await republish("first")
    again: list[UsageRecorded] = await read_topic("usage.events")
    assert sorted(again, key=lambda item: item.hash) == sorted(
        published, key=lambda item: item.hash
    )


async def test_links_that_charge_nothing_are_published_again_too_so_that_there_is_no_gap(
    given: Given,
    results: ResultsHarness,
    database: Database,
    republish: RepublishEvents,
    read_topic: ReadTopic,
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
        PostgresStore(database, PostgresBilling),
        Metrics("jobs", "test"),
        request_dispatch=lambda: None,
    )
    await apply([BillingEvent(message=change, correlation_id="c")])
    await results.persist(run.succeeded())
    await republish("first")
    published = sorted(await read_topic("usage.events"), key=lambda item: item.seq)
    assert [(type(message), message.seq) for message in published] == [
        (UsageNoted, 1),
        (UsageRecorded, 2),
    ]
    assert published[1].prev_hash == published[0].hash


async def test_an_epoch_is_served_once_and_the_next_one_again(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
) -> None:
    run = await given.run()
    await results.persist(run.succeeded())
    await republish("first")
    await republish("first")
    assert len(await read_topic("usage.events")) == 1
    await republish("second")
    assert len(await read_topic("usage.events")) == 2
    assert await rows.fetchval("SELECT epoch FROM jobs.broker_epoch") == "second"


async def test_a_day_later_it_is_done_anyway(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
) -> None:
    run = await given.run()
    await results.persist(run.succeeded())
    await republish("first")
    await rows.execute("UPDATE jobs.broker_epoch SET republished_at = now() - interval '25 hours'")
    await republish("first")
    await republish("first")
    assert len(await read_topic("usage.events")) == 2


async def test_only_the_present_and_the_previous_period_are_published(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
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
    years = {message.period_start.year for message in await read_topic("usage.events")}
    assert years == {2024, 2025}


async def test_open_cancels_are_marked_and_published_and_dispatch_is_not(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    messenger: Messenger,
) -> None:
    stopping, running, done, _pending = [await given.run() for _ in range(4)]
    await results.persist(stopping.started(), running.started(), done.started())
    for run in (stopping, done):
        await given.request_cancel(run)
    await results.persist(done.succeeded())
    await republish("first")
    requests: list[CancelRequested] = await read_topic("jobs.control")
    assert [(message.job_id, message.fence) for message in requests] == [
        (stopping.job, stopping.fence)
    ]
    jobs = [item.job for item in (stopping, running, done)]
    assert await find_cancelled(messenger, jobs) == {stopping.job}
    assert await read_topic("jobs.generic") == []


async def test_it_goes_page_by_page(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    read_topic: ReadTopic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = [*await given.runs(5), *await given.runs(6)]
    await results.persist(*[run.succeeded() for run in runs])
    monkeypatch.setattr(republish_events, "PAGE_SIZE", 4)
    await republish("first")
    assert len({message.hash for message in await read_topic("usage.events")}) == 11


async def test_it_reaches_past_its_limit_and_resumes_where_a_full_topic_stopped_it(
    given: Given,
    results: ResultsHarness,
    republish: RepublishEvents,
    database: Database,
    workers: FakeWorkerQueue,
    messenger: Messenger,
    read_topic: ReadTopic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FullAfterSix:
        left = 6

        async def publish(self, *args: Any, **named: Any) -> str | None:
            self.left -= 1
            return await messenger.publisher.publish(*args, **named) if self.left >= 0 else None

    runs = [*await given.runs(5), *await given.runs(6)]
    await results.persist(*[run.succeeded() for run in runs])
    monkeypatch.setattr(republish_events, "PAGE_SIZE", 2)
    monkeypatch.setattr(republish_events, "MAX_EVENTS", 4)
    store = PostgresStore(database, PostgresRepublish)
    await RepublishEvents(store, workers, FullAfterSix())("first")
    assert len(await read_topic("usage.events")) == 6
    await republish("first")
    published = [message.hash for message in await read_topic("usage.events")]
    assert (len(published), len(set(published))) == (11, 11)
    await republish("first")
    assert len(await read_topic("usage.events")) == 11


async def test_a_full_topic_ends_it_without_an_error(
    given: Given,
    results: ResultsHarness,
    database: Database,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    class Full:
        async def publish(self, *_: Any, **__: Any) -> None:
            return None

    await results.persist((await given.run()).succeeded())
    await RepublishEvents(PostgresStore(database, PostgresRepublish), workers, Full())("first")
    assert await rows.fetchval("SELECT epoch FROM jobs.broker_epoch") == "first"


async def test_an_epoch_counts_as_served_only_when_all_is_published(
    given: Given,
    results: ResultsHarness,
    database: Database,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    class Away:
        async def publish(self, *_: Any, **__: Any) -> None:
            raise ConnectionError

    await results.persist((await given.run()).succeeded())
    with pytest.raises(ConnectionError):
        await RepublishEvents(PostgresStore(database, PostgresRepublish), workers, Away())("first")
    assert await rows.fetchval("SELECT count(*) FROM jobs.broker_epoch") == 0


async def test_while_another_process_is_at_it_this_one_is_published_again_later(
    republish: RepublishEvents, rows: asyncpg.Connection
) -> None:
    await rows.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    with pytest.raises(RepublishInProgress):
        await republish("first")
    await rows.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
    await republish("first")
    assert await rows.fetchval("SELECT epoch FROM jobs.broker_epoch") == "first"


async def test_a_service_that_starts_on_an_empty_broker_publishes_all_open_facts(
    given: Given, results: ResultsHarness, start_service: StartService, read_topic: ReadTopic
) -> None:
    runs = await given.runs(3)
    await results.persist(*[run.succeeded() for run in runs])
    await asyncio.gather(start_service(), start_service())

    async def is_published() -> bool:
        return {message.job_id for message in await read_topic("usage.events")} == {
            r.job for r in runs
        }

    await wait_until(is_published)
    assert len(await read_topic("usage.events")) == 3
