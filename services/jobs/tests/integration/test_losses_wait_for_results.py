"""A loss is decided after everything that was delivered before it, in whose hands it may be.

All times are a fifth of those in production: the lease, the time until an entry is reclaimed, the
time between two sweeps.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import Given, GivenRun, OpenBroker, ReadTopic, StartService

from msaas.contracts import Message
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.kernel import SystemClock
from msaas.messaging import ConsumerTimings, Messenger
from msaas.postgres import Database
from msaas.streams import GroupMissing
from msaas.telemetry import Metrics
from msaas.testing import wait_until as wait_briefly

PROGRAM = Path(__file__).parents[1] / "programs" / "crashing_results.py"
LEASE_MS = 2_000
SWEEP_PERIOD = 0.2
wait_until = partial(wait_briefly, timeout=120.0)
"""On a busy machine a program starts for half a minute."""

TIMINGS = ConsumerTimings(block_timeout=0.2, heartbeat_interval=0.6, reclaim_after=2.0)
OVERDUE = "UPDATE jobs.jobs SET dispatched_at = now() - interval '11 seconds'"
TOPICS = {"echo": "jobs.generic", "run_steps": "jobs.browser"}

StartProgram = Callable[[str], Awaitable[asyncio.subprocess.Process]]
KeepSweeping = Callable[[], contextlib.AbstractAsyncContextManager[None]]


class CountingWorker:
    """Does the work of a run at once; counts for each job how often that was."""

    def __init__(self, messenger: Messenger, read_topic: ReadTopic) -> None:
        self.messenger = messenger
        self.effects: Counter[UUID] = Counter()
        self._read_topic = read_topic

    async def begin(self, run: GivenRun) -> None:
        await self.publish(run.started().model_copy(update={"lease_ms": LEASE_MS}))

    async def finish(self, run: GivenRun) -> None:
        self.effects[run.job] += 1
        await self.publish(run.succeeded())

    async def publish(self, message: Message) -> None:
        await self.messenger.publisher.publish("jobs.results", message, correlation_id="c")

    async def take_envelopes(self) -> None:
        """Run whatever was dispatched again."""
        for topic in TOPICS.values():
            for envelope in await self._read_topic(topic):
                self.effects[envelope.job_id] += 1

    async def is_all_handled(self) -> bool:
        """Whether every report is handled and acknowledged."""
        key = self.messenger.publisher.get_stream_key("jobs.results")
        return await self.messenger.context.broker.depth(key) == 0

    async def has_pending(self) -> bool:
        key = self.messenger.publisher.get_stream_key("jobs.results")
        with contextlib.suppress(GroupMissing):  # the program has not begun to read
            return bool((await self.messenger.context.broker.stats(key, "jobs")).pending)
        return False


@pytest.fixture
def messenger(environment: str, open_broker: OpenBroker) -> Messenger:
    return Messenger(open_broker(), "jobs", environment, metrics=Metrics("jobs", "test"))


@pytest.fixture
def worker(messenger: Messenger, read_topic: ReadTopic) -> CountingWorker:
    return CountingWorker(messenger, read_topic)


@pytest.fixture
def keep_sweeping(database: Database, messenger: Messenger) -> KeepSweeping:
    sweep = SweepLeasesTask(
        PostgresLeases(database),
        BrokerWorkerQueue(messenger),
        messenger.publisher,
        Metrics("jobs", "test"),
        SystemClock(),
    )

    async def repeat() -> None:
        while True:
            await sweep()
            await asyncio.sleep(SWEEP_PERIOD)

    @contextlib.asynccontextmanager
    async def keep() -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(repeat())
            yield
            sweeping.cancel()

    return keep


@pytest_asyncio.fixture
async def start_program(
    environment: str, redis_url: str, jobs_url: str, tmp_path: Path
) -> AsyncIterator[StartProgram]:
    started: list[asyncio.subprocess.Process] = []

    async def start(crash: str) -> asyncio.subprocess.Process:
        given = {
            "ENVIRONMENT": environment,
            "REDIS_URL": redis_url,
            "DATABASE_URL": jobs_url,
            "CRASH": crash,
        }
        with (tmp_path / "service.log").open("wb") as log:
            program = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), env=os.environ | given, stdout=log, stderr=log
            )
        started.append(program)
        return program

    yield start
    for program in started:
        if program.returncode is None:
            program.kill()
            await program.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("task_type", TOPICS)
@pytest.mark.parametrize("crash", ["after read", "stop after read"])
@pytest.mark.parametrize("start", ["handled", "unread"])
async def test_a_success_in_the_hands_of_a_dead_replica_comes_before_the_loss_of_its_run(
    task_type: str,
    crash: str,
    start: str,
    given: Given,
    worker: CountingWorker,
    rows: asyncpg.Connection,
    start_program: StartProgram,
    start_service: StartService,
    keep_sweeping: KeepSweeping,
) -> None:
    """The lease ends, or the entry is missed, before the success of the run can be reclaimed."""
    run = await given.run()
    await rows.execute("UPDATE jobs.jobs SET task_type = $1", task_type)
    if start == "handled":
        program = await start_program(crash)
        await worker.begin(run)
        await wait_until(worker.is_all_handled)
        await worker.finish(run)
    else:
        await worker.begin(run)
        await worker.finish(run)
        program = await start_program(crash)
    await wait_until(worker.has_pending)
    if start == "unread":
        await rows.execute(OVERDUE)
    await start_service(TIMINGS)
    async with keep_sweeping():
        await wait_until(worker.is_all_handled)
        await worker.take_envelopes()
    job = await given.job(run)
    assert (job["status"], job["failure_reason"], job["losses"]) == ("COMPLETED", None, 0)
    assert worker.effects == {run.job: 1}
    assert await given.counted(run) == (1, 0)
    if crash == "stop after read":
        program.send_signal(signal.SIGCONT)
        await worker.publish(run.heartbeat())
        await wait_until(worker.is_all_handled)
        assert await given.counted(run) == (1, 0)
