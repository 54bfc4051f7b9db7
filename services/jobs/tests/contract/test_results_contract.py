"""The handler of results accepts the committed samples, and its messages match the contract."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import FakeWorkerQueue

from msaas.contracts import JobStatus, decode, encode, get_topic
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.bootstrap import SERVICE
from msaas.jobs.domain.settlement import SettlementRules
from msaas.jobs.entrypoints.topics import results
from msaas.kernel import new_id
from msaas.messaging import Delivery, OutgoingMessage
from msaas.postgres import Database
from msaas.streams import RawEntry
from msaas.telemetry import Metrics

SAMPLES = Path(__file__).parents[4] / "contracts" / "samples" / "v1"
TOPIC = get_topic(results.TOPIC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = """
WITH owner AS (
  INSERT INTO identity.users (id, email) VALUES (gen_random_uuid(), 's@example.com') RETURNING id
),
subject AS (
  INSERT INTO jobs.subjects (subject_id, user_id, period_start, period_end)
  SELECT gen_random_uuid(), id, '2026-01-01Z', '2036-01-01Z' FROM owner RETURNING *
),
counter AS (
  INSERT INTO jobs.usage_counters
    (id, user_id, subject_id, plan, period_start, period_end, jobs_reserved)
  SELECT gen_random_uuid(), user_id, subject_id, plan, period_start, period_end, 1 FROM subject
),
job AS (
  INSERT INTO jobs.jobs (id, user_id, task_type, payload, max_attempts, correlation_id, source,
    billable, usage_period, reserved, dispatched_at, entry_id, fence)
  SELECT $1, user_id, 'echo', '{}', 3, 'c', 'api', true, period_start, true, now(), '1-1', $2
  FROM subject
)
INSERT INTO jobs.job_attempts (job_id, fence, attempt) VALUES ($1, $2, 0)
"""
OUTCOMES: Mapping[str, JobStatus] = {
    "JobStarted": JobStatus.RUNNING,
    "JobHeartbeat": JobStatus.RUNNING,
    "JobProgressed": JobStatus.RUNNING,
    "JobSucceeded": JobStatus.COMPLETED,
    "JobFailed": JobStatus.PENDING,
    "JobLost": JobStatus.PENDING,
    "JobWaiting": JobStatus.RUNNING,
    "CircuitOpened": JobStatus.PENDING,
}


@pytest.fixture
def handler(database: Database, workers: FakeWorkerQueue) -> results.ResultsHandler:
    persist = PersistResults(
        PostgresStore(database, PostgresResults),
        workers,
        Metrics("jobs", "test"),
        SettlementRules(once=frozenset(), jitter=lambda: 1.0),
        on_slot_freed=lambda: None,
        on_woken=lambda: None,
    )
    set_pauses = SetPauses(PostgresPauses(database), request_dispatch=lambda: None)
    return results.ResultsHandler(persist, set_pauses)


def deliver(name: str) -> Delivery:
    fields = {
        b"id": str(new_id()).encode(),
        b"type": name.encode(),
        b"v": b"1",
        b"correlation_id": b"test",
        b"ts": NOW.isoformat().encode(),
        b"data": (SAMPLES / f"{name}.json").read_bytes(),
    }
    return Delivery(RawEntry("1-1", fields), decode(TOPIC, fields))


def test_a_sample_of_each_message_of_the_topic_is_tried() -> None:
    assert {message.type_name() for message in TOPIC.messages} == OUTCOMES.keys()
    assert SERVICE in TOPIC.consumers


@pytest.mark.parametrize(("name", "status"), OUTCOMES.items())
async def test_the_committed_samples_are_settled(
    name: str, status: JobStatus, handler: results.ResultsHandler, rows: asyncpg.Connection
) -> None:
    delivery = deliver(name)
    message: Any = delivery.message
    job: UUID = getattr(message, "job_id", new_id())
    await rows.execute(JOB, job, getattr(message, "fence", new_id()))
    outgoing_messages = await handler([delivery])
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == status
    for outgoing in outgoing_messages:
        check_round_trip(outgoing)


def check_round_trip(outgoing: OutgoingMessage) -> None:
    assert outgoing.topic is not None
    topic = get_topic(outgoing.topic)
    assert SERVICE in topic.producers
    fields = encode(
        outgoing.message,
        id=outgoing.id or new_id(),
        correlation_id=outgoing.correlation_id,
        ts=NOW,
        traceparent=outgoing.traceparent,
    )
    assert decode(topic, fields).message == outgoing.message
