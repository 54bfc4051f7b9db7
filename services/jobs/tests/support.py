"""The types of the fixtures of the service's tests."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID, uuid4

import asyncpg

from msaas.contracts import (
    CancelJob,
    JobEnvelope,
    JobFailed,
    JobHeartbeat,
    JobLost,
    JobProgressed,
    JobStarted,
    JobSucceeded,
    JobWaiting,
    LossReason,
    Message,
    Plan,
    Progress,
    Reply,
    SubmitJob,
    UsageRecorded,
)
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.child_outcomes import ChildOutcomes, DownloadLinks
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.ports import DispatchedJob, TickResult
from msaas.jobs.bootstrap import Service
from msaas.jobs.domain.settlement import SettlementRules
from msaas.jobs.entrypoints.topics.results import read_report
from msaas.kernel import new_id
from msaas.messaging import (
    BrokerUnavailable,
    CommandClient,
    CommandRefused,
    ConsumerTimings,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import Crash, build_submit_job

T = TypeVar("T")

ECHO = {"message": "hello"}
PERIOD = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = """
INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
VALUES ($1, $2, $3, $4::timestamptz, $4::timestamptz + interval '10 years')
"""
COUNTER = """
INSERT INTO jobs.usage_counters
  (id, user_id, subject_id, plan, period_start, period_end, jobs_reserved)
VALUES ($1, $2, $3, $4, $5::timestamptz, $5::timestamptz + interval '10 years', $6)
"""
JOBS = """
WITH made AS (
  INSERT INTO jobs.jobs (
    id, user_id, task_type, payload, max_attempts, correlation_id, source, billable,
    usage_period, reserved, dispatched_at, entry_id, fence
  )
  SELECT id, $2, 'echo', '{}', 3, 'c', 'api', true, $4, true, now(), '1-1', fence
  FROM unnest($1::uuid[], $3::uuid[]) AS u (id, fence)
)
INSERT INTO jobs.job_attempts (job_id, fence, attempt)
SELECT id, fence, 0 FROM unnest($1::uuid[], $3::uuid[]) AS u (id, fence)
"""


BuildJob = Callable[..., SubmitJob]
MakeResults = Callable[..., "ResultsHarness"]
OpenBroker = Callable[..., RedisBroker]
ReadCharges = Callable[[Sequence[OutgoingMessage]], list[UsageRecorded]]
ReadEnvelopes = Callable[[], Awaitable[Sequence[JobEnvelope]]]
ReadTopic = Callable[[str], Awaitable[list[Any]]]
PickMessages = Callable[..., list[Any]]
RunTick = Callable[..., Awaitable[TickResult]]
RunCommands = Callable[..., Awaitable[Any]]
"""Processes commands as one batch; the outcomes are replies or errors, as the test expects."""


class OpenDatabase(Protocol):
    async def __call__(self, **options: Any) -> Database: ...


class AddUser(Protocol):
    async def __call__(self) -> UUID: ...


class StartService(Protocol):
    async def __call__(
        self, timings: ConsumerTimings = ..., broker: RedisBroker | None = None
    ) -> "Running": ...


@dataclass
class Running:
    service: Service
    metrics: Metrics
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    async def end(self) -> None:
        self.stop.set()
        await self.task


class Gateway:
    """Sends commands as the gateway does, and returns the replies."""

    def __init__(self, messenger: Messenger, client: CommandClient) -> None:
        self.messenger = messenger
        self._client = client

    async def call(self, command: Message, traceparent: str | None = None) -> Reply:
        try:
            return await self._client.call(
                "jobs.commands", command, ttl=45.0, correlation_id="test", traceparent=traceparent
            )
        except CommandRefused as refusal:
            return Reply(command_id=uuid4(), ok=False, problem=refusal.problem)

    async def submit(self, user: UUID, **fields: Any) -> Reply:
        trace = fields.pop("traceparent", None)
        command = build_submit_job(user_id=user, **{"plan": Plan.FREE, "payload": ECHO} | fields)
        return await self.call(command, trace)

    async def cancel(self, user: UUID, job_id: UUID) -> Reply:
        return await self.call(CancelJob(job_id=job_id, user_id=user))


class FakeWorkerQueue:
    """Where envelopes go: `capacity` is how many more get an entry."""

    def __init__(self) -> None:
        self.capacity = 1_000
        self.is_unavailable = False
        self.sent: list[JobEnvelope] = []
        self.withdrawn: list[tuple[str, Sequence[str]]] = []
        self.undeliverable: dict[UUID, str] = {}
        self.marked: set[UUID] = set()

    async def ping(self) -> int:
        if self.is_unavailable:
            raise BrokerUnavailable(target="test")
        return len(self.sent)

    async def send(
        self, topic: str, envelope: JobEnvelope, entry_id: str, traceparent: str | None = None
    ) -> bool:
        if self.capacity == 0:
            return False
        self.capacity -= 1
        self.sent.append(envelope)
        return True

    async def choose_later_ids(self, topic: str, count: int) -> Sequence[str]:
        raise AssertionError("nothing here refuses an id")

    async def report_undeliverable(self, job: DispatchedJob, error: str) -> None:
        self.undeliverable[job.envelope.job_id] = error

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        self.withdrawn.append((topic, list(entry_ids)))

    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None:
        self.marked |= set(job_ids)


@dataclass(frozen=True)
class GivenRun:
    """A run that was dispatched, and the messages by which a worker reports on it."""

    user: UUID
    job: UUID
    fence: UUID

    @property
    def key(self) -> dict[str, Any]:
        return {"job_id": self.job, "fence": self.fence}

    def started(self, at: datetime | None = None) -> JobStarted:
        return JobStarted(**self.key, worker="w-1", started_at=at or datetime.now(UTC))

    def heartbeat(self) -> JobHeartbeat:
        return JobHeartbeat(**self.key)

    def progressed(self, percent: int) -> JobProgressed:
        return JobProgressed(**self.key, progress=Progress(percent=percent))

    def succeeded(self, **fields: Any) -> JobSucceeded:
        at = datetime.now(UTC)
        values: dict[str, Any] = {
            "result": {"message": "hello"},
            "started_at": at,
            "finished_at": at,
        }
        return JobSucceeded(**self.key, **values | fields)

    def failed(
        self, reason: str = "timeout", *, retryable: bool = True, begun: bool = True
    ) -> JobFailed:
        at = datetime.now(UTC)
        return JobFailed(
            **self.key,
            failure_reason=reason,
            last_error="too slow",
            retryable=retryable,
            started_at=at if begun else None,
            finished_at=at,
        )

    def waiting(self, *child_ids: UUID, until: datetime | None = None) -> JobWaiting:
        at = datetime.now(UTC)
        values: dict[str, Any] = {"child_ids": child_ids, "until": until}
        return JobWaiting(**self.key, **values, started_at=at, finished_at=at)

    def lost(self, reason: LossReason, lease_until: datetime | None = None) -> JobLost:
        return JobLost(**self.key, reason=reason, lease_until=lease_until)


class Given:
    """Puts users and jobs into the database as intake and dispatch leave them."""

    def __init__(self, rows: asyncpg.Connection) -> None:
        self._rows = rows

    async def runs(self, count: int = 1, *, plan: str = "PRO") -> list[GivenRun]:
        """Make a user with that many jobs under way."""
        user, subject = uuid4(), uuid4()
        jobs, fences = [new_id() for _ in range(count)], [uuid4() for _ in range(count)]
        email = f"{user}@example.com"
        async with self._rows.transaction():
            sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
            await self._rows.execute(sql, user, email)
            await self._rows.execute(SUBJECT, subject, user, plan, PERIOD)
            await self._rows.execute(COUNTER, uuid4(), user, subject, plan, PERIOD, count)
            await self._rows.execute(JOBS, jobs, user, fences, PERIOD)
        return [GivenRun(user, *pair) for pair in zip(jobs, fences, strict=True)]

    async def child(self, parent: GivenRun, *, begun: bool = True) -> GivenRun:
        """Make a job of the same user under it, handed out or not."""
        run = GivenRun(parent.user, new_id(), uuid4())
        await self._rows.execute(JOBS, [run.job], run.user, [run.fence], PERIOD)
        await self._rows.execute(
            "UPDATE jobs.usage_counters SET jobs_reserved = jobs_reserved + 1 WHERE user_id = $1",
            run.user,
        )
        sql = "UPDATE jobs.jobs SET parent_job_id = $2 WHERE id = $1"
        await self._rows.execute(sql, run.job, parent.job)
        if not begun:
            sql = "UPDATE jobs.jobs SET dispatched_at = NULL, fence = NULL WHERE id = $1"
            await self._rows.execute(sql, run.job)
        return run

    async def run(self) -> GivenRun:
        [run] = await self.runs()
        return run

    async def next_run(self, run: GivenRun) -> GivenRun:
        """Dispatch the job again, whatever its state."""
        fence = uuid4()
        await self._rows.execute(
            "UPDATE jobs.jobs SET fence = $2, dispatched_at = now(), entry_id = '2-2'"
            " WHERE id = $1",
            *(run.job, fence),
        )
        sql = "INSERT INTO jobs.job_attempts (job_id, fence, attempt) VALUES ($1, $2, 1)"
        await self._rows.execute(sql, run.job, fence)
        return GivenRun(run.user, run.job, fence)

    async def request_cancel(self, run: GivenRun, ago: timedelta = timedelta(0)) -> None:
        sql = "UPDATE jobs.jobs SET cancel_requested_at = now() - $2::interval WHERE id = $1"
        await self._rows.execute(sql, run.job, ago)

    async def job(self, run: GivenRun) -> asyncpg.Record:
        row = await self._rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", run.job)
        assert row is not None
        return row

    async def attempt(self, run: GivenRun) -> asyncpg.Record:
        row = await self._rows.fetchrow(
            "SELECT * FROM jobs.job_attempts WHERE fence = $1", run.fence
        )
        assert row is not None
        return row

    async def counted(self, run: GivenRun) -> tuple[int, int]:
        """Return how many jobs of the user are used, and how many reserved."""
        row = await self._rows.fetchrow(
            "SELECT jobs_used, jobs_reserved FROM jobs.usage_counters WHERE user_id = $1", run.user
        )
        assert row is not None
        return row["jobs_used"], row["jobs_reserved"]


class ResultsHarness:
    """Persists messages as one batch."""

    def __init__(
        self, database: Database, once: frozenset[str], links: DownloadLinks | None = None
    ) -> None:
        self.metrics = Metrics("jobs", "test")
        self.workers = FakeWorkerQueue()
        self.freed_slots = 0
        self.woken = 0
        self._persist = PersistResults(
            PostgresStore(database, lambda connection: PostgresResults(connection, once)),
            self.workers,
            self.metrics,
            SettlementRules(once=once, jitter=lambda: 1.0),
            on_slot_freed=self._on_slot_freed,
            on_woken=self._notice_woken,
            child_outcomes=ChildOutcomes(links),
        )

    async def persist(self, *messages: Message) -> list[OutgoingMessage]:
        reports = [read_report(message) for message in messages]
        return await self._persist(reports, {report.run.job_id: None for report in reports})

    def _on_slot_freed(self) -> None:
        self.freed_slots += 1

    def _notice_woken(self) -> None:
        self.woken += 1


def code_of(reply: Reply) -> str:
    """Return the error code of a refused command."""
    assert reply.problem is not None
    return reply.problem.code


class _CrashingStore:
    """Begins transactions with one method that raise Crash before or after their commit."""

    def __init__(self, target: object, when: str, method: str) -> None:
        self._target = target
        self._when = when
        self._method = method

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return partial(self._begin, found) if name == self._method else found

    @asynccontextmanager
    async def _begin(self, begin: Callable[[], Any]) -> AsyncGenerator[Any]:
        async with begin() as transaction:
            yield transaction
            if self._when == "before":
                raise Crash
        raise Crash


def with_crashing_commit(store: T, when: str, method: str = "begin") -> T:
    """Return a store whose transactions crash `when` they commit; the same store without one."""
    return cast("T", _CrashingStore(store, when, method)) if when else store
