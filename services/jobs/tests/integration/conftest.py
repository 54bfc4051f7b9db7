"""Dispatched jobs, the reports of their runs without Redis, and the sweeper."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from services.jobs.tests.conftest import TIMINGS
from services.jobs.tests.support import (
    Given,
    MakeResults,
    OpenBroker,
    PickMessages,
    ReadCharges,
    ResultsHarness,
)

from msaas.contracts import JobChanged, Message, UsageRecorded
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.child_outcomes import DownloadLinks
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.messaging import Messenger, OutgoingMessage
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import FakeClock


@pytest.fixture
def given(rows: asyncpg.Connection) -> Given:
    return Given(rows)


@pytest.fixture
def make_results(database: Database) -> MakeResults:
    def make(
        database: Database = database,
        *,
        once: Sequence[str] = (),
        links: DownloadLinks | None = None,
    ) -> ResultsHarness:
        return ResultsHarness(database, frozenset(once), links)

    return make


@pytest.fixture
def results(make_results: MakeResults) -> ResultsHarness:
    return make_results()


@pytest.fixture
def pick_messages() -> PickMessages:
    """Take the messages of a kind out of what is to be published."""

    def pick(outgoing: Sequence[OutgoingMessage], kind: type[Message] = JobChanged) -> list[Any]:
        return [o.message for o in outgoing if isinstance(o.message, kind)]

    return pick


@pytest.fixture
def charges(pick_messages: PickMessages) -> ReadCharges:
    def charges_(outgoing: Sequence[OutgoingMessage]) -> list[UsageRecorded]:
        return pick_messages(outgoing, UsageRecorded)

    return charges_


@pytest.fixture
def messenger(environment: str, open_broker: OpenBroker) -> Messenger:
    return Messenger(
        open_broker(),
        "jobs",
        environment,
        metrics=Metrics("jobs", "test"),
        timings=TIMINGS,
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sweep(database: Database, messenger: Messenger, clock: FakeClock) -> SweepLeasesTask:
    metrics = Metrics("jobs", "test")
    workers = BrokerWorkerQueue(messenger)
    leases = PostgresLeases(database)
    return SweepLeasesTask(leases, workers, messenger.publisher, metrics, clock)
