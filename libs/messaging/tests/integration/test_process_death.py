"""Real consumers, ended by kill -9 or SIGTERM at any point: nothing is lost or done twice."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import pytest

from msaas.contracts import JobEnvelope, JobLost, JobStarted, JobSucceeded, LossReason, get_topic
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.postgres import Database
from msaas.streams import GroupMissing, StreamStats
from msaas.testing import build_job_envelope, build_job_succeeded, wait_until
from msaas.worker import AbandonReason, WorkConsumer

OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
Program = asyncio.subprocess.Process
ReadStream = Callable[..., Awaitable[list[Any]]]
Start = Callable[..., None]
StartProgram = Callable[..., Awaitable[Program]]
Submit = Callable[..., Awaitable[set[UUID]]]
KILLED = 137
NEVER = "/nowhere"
# The holder idles for as long as the other process takes to start.
HOLD_LOCK = """
set local idle_in_transaction_session_timeout = 0;
set local transaction_timeout = 0;
lock table jobs in exclusive mode
"""


class JobDatabase(Protocol):
    database: Database

    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...


class PeerHandler:
    """A worker that records what it ran, and reports jobs that it must not run."""

    def __init__(self) -> None:
        self.ran: list[UUID] = []

    async def run(self, delivery: Delivery) -> list[OutgoingMessage]:
        envelope = envelope_of(delivery)
        self.ran.append(envelope.job_id)
        return [delivery.emit("jobs.results", build_job_succeeded(envelope))]

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> list[OutgoingMessage]:
        envelope = envelope_of(delivery)
        lost = JobLost(job_id=envelope.job_id, fence=envelope.fence, reason=LossReason(reason))
        return [delivery.emit("jobs.results", lost)]


def envelope_of(delivery: Delivery) -> JobEnvelope:
    assert isinstance(delivery.message, JobEnvelope)
    return delivery.message


class Stream:
    """The entries and pending entries of a topic with one consumer."""

    def __init__(self, broker: RedisBroker, environment: str, name: str) -> None:
        self._broker = broker
        topic = get_topic(name)
        self.key, self.group = topic.key(environment), topic.group(topic.consumers[0])

    async def read_all(self) -> StreamStats:
        return await self._broker.stats(self.key, self.group)

    async def count_pending(self) -> int:
        """Count pending entries; zero while there is no group."""
        with suppress(GroupMissing):
            return (await self.read_all()).pending
        return 0

    async def is_empty(self) -> bool:
        return await self._broker.depth(self.key) == 0


@pytest.fixture
def commands(environment: str, open_broker: OpenBroker) -> Stream:
    return Stream(open_broker(), environment, "jobs.commands")


@pytest.fixture
def generic(environment: str, open_broker: OpenBroker) -> Stream:
    return Stream(open_broker(), environment, "jobs.generic")


@pytest.fixture
def start_second_consumer(
    open_messenger: OpenMessenger, start: Start, job_database: JobDatabase
) -> Callable[[], None]:
    """Return a function that starts a second consumer of commands."""

    def start_another() -> None:
        messenger = open_messenger("jobs")
        messenger.consume_batches("jobs.commands", job_database.submit)
        start(messenger)

    return start_another


@pytest.fixture
def dispatch(environment: str, open_messenger: OpenMessenger) -> Callable[..., Awaitable[Any]]:
    jobs = open_messenger("jobs")

    async def dispatch_(until: str = NEVER) -> JobEnvelope:
        envelope = build_job_envelope(payload={"until": until})
        await jobs.publisher.publish("jobs.generic", envelope, correlation_id="test")
        return envelope

    return dispatch_


@pytest.mark.parametrize(
    "crash",
    [
        "broker.read.after",
        "record.persist.before",
        "record.persist.after",
        "broker.commit.before",
        "broker.commit.after",
    ],
)
async def test_a_consumer_that_dies_at_any_point_loses_and_repeats_nothing(
    crash: str,
    submit: Submit,
    start_program: StartProgram,
    start_second_consumer: Callable[[], None],
    job_database: JobDatabase,
    commands: Stream,
    read_stream: ReadStream,
    open_broker: OpenBroker,
) -> None:
    jobs = await submit(open_broker(), 20)
    program = await start_program("batch_consumer.py", crash)
    assert await program.wait() == KILLED
    start_second_consumer()
    await wait_until(commands.is_empty)
    assert await job_database.list_jobs() == jobs
    assert {fact.job_id for fact in await read_stream("usage.events")} == jobs


async def test_a_batch_whose_consumer_is_killed_in_its_middle_is_done_by_another(
    submit: Submit,
    start_program: StartProgram,
    start_second_consumer: Callable[[], None],
    job_database: JobDatabase,
    commands: Stream,
    read_stream: ReadStream,
    open_broker: OpenBroker,
) -> None:
    jobs = await submit(open_broker(), 20)
    async with job_database.database.transaction() as holder:
        await holder.execute(HOLD_LOCK)
        program = await start_program("batch_consumer.py")
        await wait_until(commands.count_pending)
        program.kill()
        await program.wait()
    start_second_consumer()
    await wait_until(commands.is_empty)
    assert await job_database.list_jobs() == jobs
    assert {fact.job_id for fact in await read_stream("usage.events")} == jobs


async def test_a_draining_consumer_finishes_its_batch_and_leaves_the_rest(
    submit: Submit,
    start_program: StartProgram,
    job_database: JobDatabase,
    commands: Stream,
    open_broker: OpenBroker,
    open_client: Callable[..., Any],
) -> None:
    jobs = await submit(open_broker(), 50)
    async with job_database.database.transaction() as holder:
        await holder.execute(HOLD_LOCK)
        program = await start_program("batch_consumer.py")
        await wait_until(commands.count_pending)
        program.send_signal(signal.SIGTERM)
    assert await program.wait() == 0
    done, stats = await job_database.list_jobs(), await commands.read_all()
    assert (len(done), stats.depth, stats.pending) == (10, 40, 0)
    assert done < jobs
    assert await open_client().xinfo_consumers(commands.key, commands.group) == []


async def test_work_of_a_killed_worker_is_reported_by_a_peer_and_never_run_again(
    start_program: StartProgram,
    dispatch: Callable[..., Awaitable[JobEnvelope]],
    open_messenger: OpenMessenger,
    start: Start,
    generic: Stream,
    read_stream: ReadStream,
) -> None:
    begun = await dispatch()
    program = await start_program("work_consumer.py")
    await wait_until(lambda: read_stream("jobs.results"))
    program.kill()
    await program.wait()
    unread = await dispatch()
    peer, messenger = PeerHandler(), open_messenger("jobs-worker")
    messenger.add_consumer(WorkConsumer(messenger.context, "jobs.generic", peer, concurrency=2))
    start(messenger)
    await wait_until(generic.is_empty)
    results = await read_stream("jobs.results")
    assert peer.ran == [unread.job_id]
    assert [(r.reason, r.fence) for r in results if isinstance(r, JobLost)] == [
        (LossReason.RECLAIMED, begun.fence)
    ]


@pytest.mark.parametrize(
    ("crash", "outcome"), [("broker.commit.before", JobLost), ("broker.commit.after", JobSucceeded)]
)
async def test_a_worker_that_dies_around_its_result_leaves_one_outcome(
    crash: str,
    outcome: type,
    start_program: StartProgram,
    dispatch: Callable[..., Awaitable[JobEnvelope]],
    open_messenger: OpenMessenger,
    start: Start,
    generic: Stream,
    read_stream: ReadStream,
    tmp_path: Path,
) -> None:
    await dispatch(str(tmp_path))
    program = await start_program("work_consumer.py", crash)
    assert await program.wait() == KILLED
    peer, messenger = PeerHandler(), open_messenger("jobs-worker")
    messenger.add_consumer(WorkConsumer(messenger.context, "jobs.generic", peer, concurrency=2))
    start(messenger)
    await wait_until(generic.is_empty)
    assert [type(message) for message in await read_stream("jobs.results")] == [JobStarted, outcome]
    assert peer.ran == []


async def test_a_draining_worker_reports_unfinished_jobs_and_accepts_no_more(
    start_program: StartProgram,
    dispatch: Callable[..., Awaitable[JobEnvelope]],
    generic: Stream,
    read_stream: ReadStream,
    tmp_path: Path,
) -> None:
    ends = tmp_path / "ends"
    short, long, _unread = await dispatch(str(ends)), await dispatch(), await dispatch()

    async def both_began() -> bool:
        return len(await read_stream("jobs.results")) == 2

    program = await start_program("work_consumer.py")
    await wait_until(both_began)
    program.send_signal(signal.SIGTERM)
    ends.touch()
    assert await program.wait() == 0
    results = {message.job_id: message for message in await read_stream("jobs.results")}
    assert isinstance(results[short.job_id], JobSucceeded)
    assert results[long.job_id].reason is LossReason.DRAINED
    stats = await generic.read_all()
    assert (stats.depth, stats.pending) == (1, 0)
