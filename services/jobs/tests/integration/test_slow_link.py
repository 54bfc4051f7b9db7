"""A link to Redis that carries two megabytes a second: large commands are worked off over it."""

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import AddUser, OpenBroker, StartService

from msaas.contracts import JobChanged, JobItem, Plan, Source, SubmitJobs, get_topic
from msaas.messaging import ConsumerTimings, RedisBroker
from msaas.streams import StreamPublisher
from msaas.testing import FaultProxy, wait_until

COMMANDS, JOBS_IN_EACH = 50, 100
BYTES_PER_SECOND = 2_000_000
TEXT = "x" * 200


@pytest_asyncio.fixture
async def slow_broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    """Connect as the service does, with its own time-out."""
    async with FaultProxy(redis_url) as proxy:
        proxy.limit_rate(BYTES_PER_SECOND)
        broker = RedisBroker(proxy.url)
        yield broker
        await broker.close()


@pytest.fixture
def publisher(environment: str, open_broker: OpenBroker) -> StreamPublisher:
    return StreamPublisher(open_broker(), "gateway", environment)


def build_command(user: UUID) -> SubmitJobs:
    items = [
        JobItem(job_id=uuid4(), task_type="echo", payload={"message": TEXT})
        for _ in range(JOBS_IN_EACH)
    ]
    return SubmitJobs(user_id=user, plan=Plan.FREE, source=Source.API, jobs=tuple(items))


async def count_events(broker: RedisBroker, environment: str) -> Counter[bytes]:
    """Count the reports of accepted jobs by their id."""
    key, position = get_topic("jobs.events").key(environment), "0-0"
    counted = Counter[bytes]()
    while found := (await broker.tail({key: position}, 1_000, 0)).get(key):
        position = found[-1].entry_id
        counted.update(
            raw.fields[b"id"]
            for raw in found
            if raw.fields[b"type"] == JobChanged.type_name().encode()
        )
    return counted


async def test_many_large_commands_are_worked_off_over_a_slow_link(
    slow_broker: RedisBroker,
    start_service: StartService,
    publisher: StreamPublisher,
    open_broker: OpenBroker,
    add_user: AddUser,
    environment: str,
    rows: asyncpg.Connection,
) -> None:
    for _ in range(COMMANDS):
        await publisher.publish(
            "jobs.commands", build_command(await add_user()), correlation_id="test"
        )
    await start_service(ConsumerTimings(), slow_broker)
    direct, key = open_broker(), publisher.get_stream_key("jobs.commands")

    async def is_done() -> bool:
        return await direct.depth(key) == 0

    await wait_until(is_done, timeout=80)
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == COMMANDS * JOBS_IN_EACH
    events = await count_events(direct, environment)
    assert len(events) == COMMANDS * JOBS_IN_EACH
    # A host that pauses may let one exchange time out, whose messages are repeated once.
    assert events.total() < 1.5 * len(events)
