"""Postgres takes no writes for a while, as after a failover: no message pays for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import BuildJob, Gateway, Given, OpenBroker, Running, StartService

from msaas.contracts import Message, PushedJob, get_topic
from msaas.messaging import Messenger
from msaas.streams import StreamPublisher
from msaas.telemetry import Metrics
from msaas.testing import wait_until

SetReadOnly: TypeAlias = Callable[[bool], Awaitable[None]]
ENDED = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE usename = 'svc_jobs' AND datname = current_database()
"""
PATIENCE = 60
DELIVERIES_ENOUGH_TO_DIE = 12


@pytest_asyncio.fixture
async def set_read_only(rows: asyncpg.Connection) -> AsyncIterator[SetReadOnly]:
    """Make the database of this test read-only for the service, or writable again."""
    name = await rows.fetchval("SELECT current_database()")
    role = f"ALTER ROLE svc_jobs IN DATABASE {name}"

    async def set_(read_only: bool) -> None:  # noqa: FBT001  # a switch
        if read_only:
            await rows.execute(f"{role} SET default_transaction_read_only = on")
            await rows.execute(ENDED)
        else:
            await rows.execute(f"{role} RESET default_transaction_read_only")

    yield set_
    await set_(False)


@pytest.fixture
def publish_results(environment: str, open_broker: OpenBroker) -> Callable[..., Awaitable[None]]:
    messenger = Messenger(open_broker(), "jobs", environment, metrics=Metrics("jobs", "test"))

    async def publish(*messages: Message) -> None:
        for message in messages:
            await messenger.publisher.publish("jobs.results", message, correlation_id="c")

    return publish


def count_calls(running: Running, topic: str, outcome: str) -> float:
    labels = {"topic": topic, "outcome": outcome, "service": "jobs", "environment": "test"}
    name = "msaas_message_handle_duration_seconds_count"
    return running.metrics.registry.get_sample_value(name, labels) or 0


async def test_while_the_database_takes_no_writes_nothing_is_lost_counted_or_done_twice(
    given: Given,
    start_service: StartService,
    set_read_only: SetReadOnly,
    publish_results: Callable[..., Awaitable[None]],
    gateway: Gateway,
    user: UUID,
    submit_job: BuildJob,
    environment: str,
    open_broker: OpenBroker,
    rows: asyncpg.Connection,
) -> None:
    runs = await given.runs(30)
    running = await start_service()
    assert (await gateway.submit(user)).ok
    await set_read_only(True)
    await publish_results(*(run.succeeded() for run in runs))
    broker = open_broker()

    # A command with a waiting sender is refused at once; one that nobody repeats is kept.
    command = submit_job(user)
    pushed = PushedJob.model_validate(
        {"job_id": command.job_id, "task_type": "echo", "payload": {"message": "kept"}}
        | {"meta": {"user_id": user}}
    )
    publisher = StreamPublisher(broker, "jobs", environment)
    await publisher.publish("jobs.commands", pushed, correlation_id="c")
    refusals = [await gateway.submit(user) for _ in range(5)]
    problems = [refusal.problem for refusal in refusals]
    assert {(p.code, p.retryable) for p in problems if p} == {("dependency_unavailable", True)}

    def has_failed_often() -> bool:
        failures = count_calls(running, "jobs.results", "failed")
        return failures >= DELIVERIES_ENOUGH_TO_DIE

    await wait_until(has_failed_often, PATIENCE)
    await set_read_only(False)

    async def is_done() -> bool:
        depths = [
            await broker.depth(get_topic(name).key(environment, "jobs"))
            for name in ("jobs.results", "jobs.commands")
        ]
        return not any(depths)

    await wait_until(is_done, PATIENCE)
    for name in ("jobs.results", "jobs.commands"):
        topic = get_topic(name)
        assert await broker.depth(topic.dead_letter_key(environment, "jobs")) == 0
        assert await broker.depth(topic.poison_key(environment, "jobs")) == 0
    assert await rows.fetchval("SELECT count(*) FROM jobs.message_dead_letters") == 0
    finished = await rows.fetch("SELECT id FROM jobs.jobs WHERE status = 'COMPLETED'")
    job_ids = {run.job for run in runs}
    assert {row["id"] for row in finished} == job_ids
    attempts = "SELECT count(*) FROM jobs.job_attempts WHERE job_id = ANY($1::uuid[])"
    assert await rows.fetchval(attempts, job_ids) == len(runs)
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE user_id = $1", user) == 2
    assert (await gateway.submit(user)).ok
