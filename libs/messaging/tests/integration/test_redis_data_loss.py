"""Redis restarts, dies, forgets or is replaced under a running fleet: all effects are there, once.

The gateway sends until it gets a reply; `jobs` publishes unbilled usage again in each epoch.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
import redis

from msaas.contracts import JobChanged, JobFrame, JobStatus, Topic
from msaas.embedded import RedisServer
from msaas.kernel import CommandTimeout, RetryPolicy
from msaas.messaging import BrokerUnavailable, Delivery, Messenger, OutgoingMessage
from msaas.testing import build_submit_job, cut_aof_tail, wait_until

OpenMessenger = Callable[..., Messenger]
PrivateRedis = Callable[..., RedisServer]
Start = Callable[..., None]
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis
JOBS, AT_ONCE = 150, 15
UNTIL_ANSWERED = RetryPolicy(base=0.02, cap=0.1, attempts=None)


class JobDatabase(Protocol):
    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def bill(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_unbilled(self) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...
    async def list_billed(self) -> set[UUID]: ...


class Fleet:
    """A gateway, `jobs` and `billing` on one Redis."""

    def __init__(self, open_messenger: OpenMessenger, job_database: JobDatabase, url: str) -> None:
        self.gateway = open_messenger("gateway", url=url)
        self.jobs = open_messenger("jobs", url=url)
        self.billing = open_messenger("billing", url=url)
        self._client = self.gateway.create_command_client()
        self._in_flight = asyncio.Semaphore(AT_ONCE)
        self._job_database = job_database
        self.jobs.consume_batches("jobs.commands", job_database.submit, max_size=10)
        self.jobs.on_epoch(self._publish_again)
        self.billing.consume_batches("usage.events", job_database.bill, max_size=10)

    async def submit_until_done(self, job_id: UUID) -> None:
        command = build_submit_job(job_id=job_id)

        async def call() -> object:
            return await self._client.call(
                "jobs.commands", command, ttl=2, correlation_id=str(job_id)
            )

        async with self._in_flight:
            await UNTIL_ANSWERED.run(call, retry_on=(BrokerUnavailable, CommandTimeout))

    async def _publish_again(self, _: str) -> None:
        await self.jobs.context.publisher.commit(await self._job_database.list_unbilled())


@pytest.fixture
def server(private_redis: PrivateRedis) -> RedisServer:
    return private_redis()


@pytest.fixture
def fleet(open_messenger: OpenMessenger, job_database: JobDatabase, server: RedisServer) -> Fleet:
    return Fleet(open_messenger, job_database, server.url)


def restarts(server: RedisServer) -> None:
    server.stop()
    server.start()


def is_killed(server: RedisServer) -> None:
    server.kill()
    server.start()


def is_replaced_by_an_empty_one(server: RedisServer) -> None:
    server.kill()
    shutil.rmtree(server.folder)
    server.start()


def loses_the_tail_of_its_file(server: RedisServer) -> None:
    server.kill()
    cut_aof_tail(server, 20_000)
    server.start()


def is_flushed(server: RedisServer) -> None:
    with _Redis.from_url(server.url) as client:
        client.flushall()


@pytest.mark.parametrize(
    "happens",
    [restarts, is_killed, is_flushed, is_replaced_by_an_empty_one, loses_the_tail_of_its_file],
)
async def test_each_job_is_committed_and_billed_once_under_any_loss_of_redis(
    happens: Callable[[RedisServer], None],
    server: RedisServer,
    fleet: Fleet,
    job_database: JobDatabase,
    start: Start,
) -> None:
    start(fleet.gateway, fleet.jobs, fleet.billing)
    job_ids = {uuid4() for _ in range(JOBS)}

    async def a_third_is_billed() -> bool:
        return len(await job_database.list_billed()) >= JOBS / 3

    async def all_are_billed() -> bool:
        return await job_database.list_billed() == job_ids

    async with asyncio.TaskGroup() as gateway:
        for job_id in job_ids:
            gateway.create_task(fleet.submit_until_done(job_id))
        await wait_until(a_third_is_billed)
        await asyncio.to_thread(happens, server)
    await wait_until(all_are_billed)
    assert await job_database.list_jobs() == job_ids


async def test_unread_facts_are_published_again_by_their_owner(
    server: RedisServer, fleet: Fleet, job_database: JobDatabase, start: Start
) -> None:
    start(fleet.gateway, fleet.jobs)
    job_ids = {uuid4() for _ in range(20)}
    await asyncio.gather(*(fleet.submit_until_done(job_id) for job_id in job_ids))
    assert await job_database.list_billed() == set()
    await asyncio.to_thread(is_flushed, server)
    start(fleet.billing)

    async def all_are_billed() -> bool:
        return await job_database.list_billed() == job_ids

    assert await wait_until(all_are_billed)


async def test_a_log_reader_is_notified_to_read_the_database_again_after_data_loss(
    server: RedisServer, open_messenger: OpenMessenger, start: Start
) -> None:
    jobs = open_messenger("jobs", url=server.url)
    gateway = open_messenger("gateway", url=server.url)
    versions: list[int] = []
    resyncs: list[int] = []
    epochs: list[str] = []

    async def note(_: Topic, deliveries: Sequence[Delivery]) -> None:
        versions.extend(d.message.version for d in deliveries if isinstance(d.message, JobChanged))

    async def resync() -> None:
        resyncs.append(len(versions))

    async def publish(version: int) -> None:
        await jobs.publisher.publish("jobs.events", changed(version), correlation_id="test")

    async def notice(epoch: str) -> None:
        epochs.append(epoch)

    tailer = gateway.tail_log(["jobs.events"], note, resync)
    gateway.on_epoch(notice)
    start(jobs)  # creates the epoch that the gateway reads
    start(gateway)
    await wait_until(lambda: tailer.positions and epochs)
    await publish(1)
    await wait_until(lambda: versions == [1])
    await asyncio.to_thread(is_flushed, server)
    await publish(2)
    await wait_until(lambda: resyncs and versions[-1] == 2)
    assert (len(resyncs), set(versions)) == (1, {1, 2})


def changed(version: int) -> JobChanged:
    frame = JobFrame.model_validate(
        {
            "id": uuid4(),
            "status": JobStatus.RUNNING,
            "attempts": 1,
            "updated_at": "2026-01-01T00:00:00Z",
        },
        strict=False,
    )
    return JobChanged(
        frame=frame, user_id=uuid4(), task_type="echo", version=version, correlation_id="test"
    )
