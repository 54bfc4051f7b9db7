"""Each entry of the intake list becomes one job, one failed job, or one dead letter."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
from services.jobs.tests.support import Gateway, OpenBroker, ReadTopic, StartService

from msaas.contracts import RetryJob, get_topic, queue_key
from msaas.jobs.adapters.list_mover import ListMover
from msaas.jobs.entrypoints.intake_list import PERIOD, MoveIntakeTask
from msaas.kernel import PeriodicTask, SystemClock
from msaas.streams import RedisBroker
from msaas.telemetry import log_task_failure
from msaas.testing import wait_until

RedisClient: TypeAlias = Any  # redis-py leaves much of its own surface untyped

_Redis: RedisClient = redis.asyncio.Redis
Push = Callable[..., Awaitable[UUID]]
COMMANDS = get_topic("jobs.commands")
PLANTED = "hunter2-planted"  # what must not be found


@pytest_asyncio.fixture
async def client(redis_url: str, environment: str) -> AsyncIterator[RedisClient]:
    async with _Redis.from_url(redis_url, decode_responses=True) as opened:
        yield opened
        await opened.delete(queue_key(environment, "jobs.generic"))


@pytest.fixture
def push(client: RedisClient, environment: str, user: UUID) -> Push:
    """Push an envelope as an old producer writes it, with fields that the service sets itself."""

    async def push_(body: str | None = None, **fields: Any) -> UUID:
        job_id = uuid4()
        envelope = {
            "job_id": str(job_id),
            "task_type": "echo",
            "attempt": 7,
            "fence": str(uuid4()),
            "payload": {"message": "hello"},
            "meta": {"user_id": str(user), "correlation_id": "nightly", "uploads": {"a": "b"}},
        } | fields
        await client.lpush(queue_key(environment, "jobs.generic"), body or json.dumps(envelope))
        return job_id

    return push_


async def test_a_pushed_envelope_becomes_a_job_without_what_only_we_decide(
    start_service: StartService,
    push: Push,
    user: UUID,
    rows: asyncpg.Connection,
    client: RedisClient,
) -> None:
    await start_service()
    job_id = await push()
    row = await wait_until(lambda: find(rows, job_id))
    assert (row["user_id"], row["status"], row["attempts"]) == (user, "PENDING", 0)
    assert row["correlation_id"] == "nightly"
    assert row["reserved"]


async def test_a_job_over_the_limit_is_stored_as_failed_with_the_reason(
    start_service: StartService, push: Push, rows: asyncpg.Connection
) -> None:
    await start_service()
    first = await push()
    await wait_until(lambda: find(rows, first))
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = jobs_limit")
    row = await wait_until(lambda: find_failed(rows, push))
    assert (row["failure_reason"], row["reserved"], row["billable"]) == (
        "quota_exceeded",
        False,
        False,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"task_type": "juggle"},
        {"payload": {"message": 1}},
        {"payload": {"message": "x", "massage": "y"}},
        {"payload": {"message": "x", "secret": "not sealed"}},
    ],
)
async def test_an_invalid_payload_is_stored_as_a_failed_job(
    start_service: StartService, push: Push, rows: asyncpg.Connection, fields: dict[str, Any]
) -> None:
    await start_service()
    job_id = await push(**fields)
    row = await wait_until(lambda: find(rows, job_id))
    assert (row["status"], row["failure_reason"]) == ("FAILED", "invalid_payload")


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": {"message": "x", "secret": PLANTED}},
        {"payload": {"message": "x", "secret": {"$sealed": "v1.a.b", "plain": PLANTED}}},
        {"payload": {"message": "x", PLANTED: 1}},
        {"payload": {"message": PLANTED, "delay_ms": -1}},
        {"payload": {"secret": PLANTED}, "task_type": "juggle"},
    ],
)
async def test_nothing_of_a_refused_payload_is_stored_or_published(
    start_service: StartService,
    push: Push,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
    fields: dict[str, Any],
) -> None:
    await start_service()
    job_id = await push(**fields)
    row = await wait_until(lambda: find(rows, job_id))
    assert (row["status"], row["payload"]) == ("FAILED", None)
    assert PLANTED not in str(await rows.fetch("SELECT jobs::text FROM jobs.jobs"))
    assert await wait_until(lambda: read_topic("jobs.events"))
    assert PLANTED not in str(await read_topic("jobs.events"))


async def test_a_payload_that_was_refused_is_not_run_by_a_retry(
    start_service: StartService, push: Push, gateway: Gateway, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    job_id = await push(payload={"message": "x", "secret": PLANTED})
    await wait_until(lambda: find(rows, job_id))
    reply = await gateway.call(RetryJob(job_id=job_id, user_id=user, retry_id=uuid4()))
    assert reply.problem is not None
    assert (await find(rows, job_id))["status"] == "FAILED"


@pytest.mark.parametrize("body", ["no json", "[]", '{"job_id": 1}', '{"text": "\\ud800"}'])
async def test_what_is_no_envelope_is_quarantined(
    start_service: StartService, push: Push, client: RedisClient, environment: str, body: str
) -> None:
    await start_service()
    await push(body)
    poison = COMMANDS.poison_key(environment, "jobs")
    await wait_until(lambda: client.xlen(poison))
    assert await client.llen(queue_key(environment, "jobs.generic")) == 0


async def test_a_missing_user_causes_a_dead_letter_and_blocks_no_other(
    start_service: StartService,
    push: Push,
    client: RedisClient,
    environment: str,
    rows: asyncpg.Connection,
) -> None:
    await start_service()
    await push(meta={"user_id": str(uuid4())})
    job_id = await push()
    await wait_until(lambda: find(rows, job_id))
    await wait_until(lambda: client.xlen(COMMANDS.poison_key(environment, "jobs")))


async def test_the_same_envelope_twice_is_one_job(
    start_service: StartService,
    push: Push,
    rows: asyncpg.Connection,
    client: RedisClient,
    environment: str,
) -> None:
    job_id = uuid4()
    for _ in range(3):
        await push(job_id=str(job_id))
    await start_service()
    await wait_until(lambda: find(rows, job_id))
    await wait_until(lambda: is_empty(client, environment))
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 1
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 1


async def test_two_replicas_move_a_long_list_once_and_in_its_order(
    open_broker: OpenBroker, push: Push, client: RedisClient, environment: str
) -> None:
    pushed = [str(await push()) for _ in range(250)]
    async with moving(open_broker(), environment), moving(open_broker(), environment):
        await wait_until(lambda: is_moved(client, environment))
    entries = await client.xrange(COMMANDS.key(environment))
    assert [json.loads(fields["data"])["job_id"] for _, fields in entries] == pushed
    assert len({fields["id"] for _, fields in entries}) == len(pushed)
    await client.delete(COMMANDS.key(environment))


async def test_a_full_topic_leaves_the_list_as_it_is(
    open_broker: OpenBroker, push: Push, client: RedisClient, environment: str
) -> None:
    for _ in range(3):
        await push()
    mover, heads = ListMover(open_broker()), [{b"id": b"%d" % number} for number in range(3)]
    queue, key = queue_key(environment, "jobs.generic"), COMMANDS.key(environment)
    assert [await mover.move(queue, key, heads, bound) for bound in (0, 2, 2, 3)] == [0, 2, 0, 1]
    await client.delete(key)


@asynccontextmanager
async def moving(broker: RedisBroker, environment: str) -> AsyncGenerator[None]:
    move = MoveIntakeTask(ListMover(broker), environment, SystemClock())
    intake = PeriodicTask("intake", move, period=PERIOD, report_failure=log_task_failure)
    running = asyncio.create_task(intake.run())
    yield
    intake.drain()
    await running


async def find(rows: asyncpg.Connection, job_id: UUID) -> Any:
    return await rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", job_id)


async def find_failed(rows: asyncpg.Connection, push: Push) -> Any:
    """Push until one is refused: a submission in progress may still have had capacity."""
    job_id = await push()
    row = await wait_until(lambda: find(rows, job_id))
    return row if row["status"] == "FAILED" else None


async def is_moved(client: RedisClient, environment: str) -> bool:
    return not await client.llen(queue_key(environment, "jobs.generic"))


async def is_empty(client: RedisClient, environment: str) -> bool:
    return await is_moved(client, environment) and not await client.xlen(COMMANDS.key(environment))
