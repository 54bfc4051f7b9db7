"""Random scenarios over a real database: the ledgers stay consistent whatever is lost or repeated.

Every charge is published, no job runs beside itself, and a task that runs once acts once.

Time is the database's own: a `now` of the test precedes Postgres's on the search path, so that
leases end and months pass while the test does not wait.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.simulated_fleet import FakeBroker, SimulatedWorkers
from services.jobs.tests.support import AddUser, BuildJob, OpenDatabase, with_crashing_commit

from msaas.cli.audit import audit, format_violation
from msaas.contracts import (
    PLANS,
    CancelJob,
    DeadlinePassed,
    JobFailed,
    JobHeartbeat,
    JobLost,
    JobStarted,
    JobSucceeded,
    JobWaiting,
    LossReason,
    Message,
    Plan,
    RetryJob,
    SubmitJob,
    SubscriptionChanged,
    UsageReconciled,
    UsageRecorded,
    WakeJob,
)
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.jobs.adapters.postgres.republish import PostgresRepublish
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.billing_ports import BillingEvent
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.due_jobs import DueJobsTask
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.jobs.bootstrap import read_keys
from msaas.jobs.domain.settlement import SettlementRules
from msaas.jobs.entrypoints.topics.results import read_report
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.kernel import MsaasError, new_id
from msaas.messaging import OutgoingMessage
from msaas.postgres import Database, TransactionConflict
from msaas.telemetry import Metrics
from msaas.testing import Crash, FakeClock

MONTH = timedelta(days=32)
CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.ahead (by interval NOT NULL);
INSERT INTO clock.ahead VALUES ('0');
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
  RETURN pg_catalog.now() + (SELECT by FROM clock.ahead);
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql
  RETURN pg_catalog.clock_timestamp() + (SELECT by FROM clock.ahead);
GRANT USAGE ON SCHEMA clock TO PUBLIC;
GRANT SELECT ON clock.ahead TO PUBLIC;
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public',
    current_database());
END $$;
"""
ONCE = frozenset({"run_steps"})
STEPS = {"url": "https://example.com", "steps": [{"do": "click", "selector": "a"}]}
JOBS = """
SELECT id, task_type, status, updated_at,
  (SELECT count(*) FROM jobs.job_attempts a WHERE a.job_id = j.id AND outcome = 'waiting') AS waits
FROM jobs.jobs j WHERE user_id = ANY($1)
"""
RUNS_BESIDE_ANOTHER = """
SELECT a.job_id, a.fence FROM jobs.job_attempts a JOIN jobs.jobs j ON j.id = a.job_id
WHERE j.finished_at IS NULL AND a.outcome IS NULL AND a.fence <> j.fence
"""
OPEN = "SELECT count(*) FROM jobs.jobs WHERE user_id = ANY($1) AND finished_at IS NULL"
HELD = """
SELECT count(*) FROM jobs.jobs
WHERE user_id = $1 AND dispatched_at IS NOT NULL AND finished_at IS NULL
"""
SOME = 10
ENDED = ("COMPLETED", "CANCELLED")
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass
class Replica:
    """The use cases of one process with its own pool; `crash` ends it at the next commit."""

    database: Database
    broker: Any
    metrics: Metrics = field(default_factory=partial(Metrics, "jobs", "test"))

    def __post_init__(self) -> None:
        self._opener = read_keys(LOCAL_SEALING_KEY)

    async def settle(self, orders: Sequence[CommandContext], crash: str) -> Any:
        store = with_crashing_commit(PostgresStore(self.database, PostgresIntake), crash)
        use_case = ProcessCommands(store, self.broker, self.metrics, request_dispatch=lambda: None)
        return await use_case(orders)

    async def persist(self, messages: Sequence[Message], crash: str) -> list[OutgoingMessage]:
        begin = partial(PostgresResults, once=ONCE)
        store = with_crashing_commit(PostgresStore(self.database, begin), crash)
        rules = SettlementRules(once=ONCE, jitter=lambda: 0.5)
        hooks: dict[str, Any] = {"on_slot_freed": lambda: None, "on_woken": lambda: None}
        use_case = PersistResults(store, self.broker, self.metrics, rules, **hooks)
        reports = [read_report(message) for message in messages]
        return await use_case(reports, {report.run.job_id: None for report in reports})

    async def dispatch(self) -> Any:
        store = PostgresDispatch(self.database, window=200)
        return await DispatchJobs(store, self.broker, self._opener, self.metrics)()

    async def bill(self, facts: Sequence[Any]) -> list[OutgoingMessage]:
        use_case = ApplyBilling(
            PostgresStore(self.database, PostgresBilling),
            self.metrics,
            request_dispatch=lambda: None,
        )
        return await use_case(
            [BillingEvent(message=event, correlation_id="test") for event in facts]
        )


@dataclass
class Simulation:
    """Users, two replicas, the messages between them, and the observed facts."""

    rows: asyncpg.Connection
    replicas: Sequence[Replica]
    broker: FakeBroker
    users: Sequence[UUID]
    submit_job: BuildJob
    clock: FakeClock = field(default_factory=FakeClock)
    jobs: list[tuple[UUID, UUID]] = field(default_factory=list[tuple[UUID, UUID]])
    billing_events: list[SubscriptionChanged | UsageReconciled] = field(default_factory=list[Any])
    charges: dict[UUID, UsageRecorded] = field(default_factory=dict[UUID, UsageRecorded])
    seen: dict[UUID, tuple[str, datetime]] = field(default_factory=dict[UUID, Any])
    retried: set[UUID] = field(default_factory=set[UUID])
    revived: Counter[UUID] = field(default_factory=Counter[UUID])
    workers: SimulatedWorkers = field(default_factory=SimulatedWorkers)
    flushes: int = 0

    def __post_init__(self) -> None:
        leases = PostgresLeases(self.replicas[0].database)
        broker, metrics = self.replicas[0].broker, self.replicas[0].metrics
        self._timers = [
            SweepLeasesTask(leases, broker, broker, metrics, self.clock),
            DueJobsTask(leases.list_past_deadline, DeadlinePassed, broker, self.clock),
            DueJobsTask(leases.list_due_to_wake, WakeJob, broker, self.clock),
        ]

    async def now(self) -> datetime:
        return await self.rows.fetchval("SELECT clock_timestamp()")

    async def pass_time(self, time: timedelta) -> None:
        await self.rows.execute("UPDATE clock.ahead SET by = by + $1", time)
        await self.clock.advance(min(time, timedelta(minutes=5)).total_seconds())

    async def run_timers(self) -> None:
        """Run the timers, which only append messages."""
        for timer in self._timers:
            await timer()

    def send_command(self, command: SubmitJob | CancelJob | RetryJob) -> None:
        self.broker.add(
            self.broker.commands, CommandContext(command=command, correlation_id="test")
        )

    async def submit(self, user: UUID, key: int) -> None:
        steps = {"task_type": "run_steps", "payload": STEPS} if key % 2 else {}
        key_of_user = {"idempotency_key": f"{user}-{key}", "priority": key % 10}
        command = self.submit_job(user, **key_of_user, **steps)
        self.jobs.append((user, command.job_id))
        self.send_command(command)

    async def deliver(self, picks: Sequence[int], replica: int, crash: str = "") -> None:
        """Deliver some commands in any order; those of a crashed replica are delivered again."""
        chosen = _pick(self.broker.commands, picks)
        orders = [self.broker.commands[entry_id] for entry_id in chosen]
        with suppress(Crash, TransactionConflict):
            await self.replicas[replica].settle(orders, crash)
            _remove(self.broker.commands, chosen)
        self.retried |= {
            order.command.job_id for order in orders if isinstance(order.command, RetryJob)
        }

    async def persist(self, picks: Sequence[int], replica: int, crash: str = "") -> None:
        chosen = _pick(self.broker.results, picks)
        with suppress(Crash, TransactionConflict):
            messages = [self.broker.results[entry_id] for entry_id in chosen]
            outgoing = await self.replicas[replica].persist(messages, crash)
            _remove(self.broker.results, chosen)
            self._note(outgoing)

    async def dispatch(self, replica: int, *, has_capacity: bool = True) -> None:
        """Assert that no user has more slots than the plan allows."""
        self.broker.has_capacity = has_capacity
        tick = await self.replicas[replica].dispatch()
        for job in tick.picked:
            meta = job.envelope.meta
            used = await self.rows.fetchval(HELD, meta.user_id)
            assert used <= PLANS[meta.plan].slots, (meta.plan, used)

    async def report(self, which: int, what: int, *, again: bool) -> None:
        """Act and report as the worker of this envelope; `again`: it is redelivered."""
        if not (entry_ids := list(self.broker.envelopes)):
            return
        entry_id = entry_ids[which % len(entry_ids)]
        run, at = self.broker.envelopes[entry_id], await self.now()
        key: dict[str, Any] = {"job_id": run.job_id, "fence": run.fence}
        ended: dict[str, Any] = {**key, "started_at": at, "finished_at": at}
        failed = partial(JobFailed, **ended, failure_reason="timeout", last_error="too slow")
        builders: tuple[Callable[[], Message], ...] = (
            lambda: JobSucceeded(**ended, result={"message": "hello"}),
            lambda: failed(retryable=True),
            lambda: failed(retryable=False),
            lambda: JobLost(**key, reason=LossReason.RECLAIMED),
            lambda: JobWaiting(**ended, until=at + timedelta(seconds=30)),
            lambda: JobHeartbeat(**key),
        )
        if not self.workers.act(run):
            self.broker.add(self.broker.results, builders[3]())
            del self.broker.envelopes[entry_id]
            return
        self.broker.add(self.broker.results, JobStarted(**key, worker="w", started_at=at))
        self.broker.add(self.broker.results, builders[what]())
        if not again and what < len(builders) - 1:
            del self.broker.envelopes[entry_id]

    async def flush(self) -> None:
        """Lose all that the broker has; a process notices that and republishes its facts."""
        self.flushes += 1
        self.workers.forget_claims(self.broker.results.values())
        self.broker.flush()
        store = PostgresStore(self.replicas[0].database, PostgresRepublish)
        broker: Any = self.broker
        await RepublishEvents(store, broker, broker)(f"epoch {self.flushes}")
        for charge in self.broker.charges:
            self._note_charge(charge)

    async def bill(self, picks: Sequence[int], replica: int) -> None:
        with suppress(TransactionConflict, MsaasError):
            self._note(
                await self.replicas[replica].bill(
                    [self.billing_events[pick % len(self.billing_events)] for pick in picks]
                )
            )

    async def change_plan(self, user: UUID, plan: Plan, limit: int | None) -> None:
        now = await self.now()
        period: dict[str, Any] = {"period_start": now, "period_end": now + timedelta(days=30)}
        self.billing_events.append(
            SubscriptionChanged(
                user_id=user,
                version=len(self.billing_events) + 1,
                plan=plan,
                status="active",
                jobs_limit=limit,
                **({} if plan is Plan.FREE else period),
            )
        )

    async def correct(self, user: UUID) -> None:
        row = await self.rows.fetchrow(
            "SELECT subject_id, period_start FROM jobs.subjects WHERE user_id = $1", user
        )
        if row:
            self.billing_events.append(
                UsageReconciled(
                    **row,
                    stripe_event_id=f"evt_{new_id()}",
                    quantity=1,
                    reconciled_at=await self.now(),
                    reason="a comparison",
                )
            )

    def _note(self, outgoing: Sequence[OutgoingMessage]) -> None:
        for outgoing_message in outgoing:
            if isinstance(outgoing_message.message, UsageRecorded):
                self._note_charge(outgoing_message.message)

    def _note_charge(self, charge: UsageRecorded) -> None:
        """Assert that a repeated charge is the same charge."""
        assert self.charges.setdefault(charge.job_id, charge) == charge

    async def check_states(self) -> None:
        """Assert that a finished job stays finished unless it is retried, and who may act."""
        for row in await self.rows.fetch(JOBS, self.users):
            status, updated_at = self.seen.get(row["id"], ("PENDING", row["updated_at"]))
            assert status not in ENDED or row["status"] == status
            assert status in {row["status"], "PENDING", "RUNNING"} or row["id"] in self.retried
            assert row["updated_at"] >= updated_at
            self.seen[row["id"]] = (row["status"], row["updated_at"])
            self.revived[row["id"]] += status == "FAILED" != row["status"]
            if row["task_type"] in ONCE:
                allowed = 1 + row["waits"] + self.revived[row["id"]]
                self.workers.check_effects(row["id"], allowed)
        assert await self.rows.fetch(RUNS_BESIDE_ANOTHER) == []

    async def check_ledger(self) -> None:
        examined = await audit(self.rows)
        assert [format_violation(each) for check in examined for each in check.violations] == []

    async def run_to_completion(self) -> None:
        """Let all jobs end: undisturbed work completes."""
        for _ in range(40):
            everything = range(max(len(self.broker.commands), len(self.broker.results), 1))
            await self.deliver(everything, 0)
            for _ in range(len(self.broker.envelopes)):
                await self.report(0, 0, again=False)
            await self.persist(range(len(self.broker.results)), 1)
            if not await self.rows.fetchval(OPEN, self.users):
                break
            await self.pass_time(timedelta(seconds=61))
            await self.run_timers()
            await self.dispatch(0)
        await self.check_states()
        left = [status for status, _ in self.seen.values()]
        assert set(left) <= {"COMPLETED", "FAILED", "CANCELLED"}, left
        await self.check_ledger()
        completed = {id_ for id_, (status, _) in self.seen.items() if status == "COMPLETED"}
        assert self.charges.keys() == completed
        assert completed <= self.workers.effects.keys()
        assert await self.rows.fetchval(DEADLOCKS) == 0


def _pick(queue: dict[str, Any], picks: Sequence[int]) -> list[str]:
    entry_ids = list(queue)
    return list(dict.fromkeys(entry_ids[pick % len(queue)] for pick in picks)) if queue else []


def _remove(queue: dict[str, Any], entry_ids: Sequence[str]) -> None:
    for entry_id in entry_ids:
        queue.pop(entry_id, None)


class RandomScenario:
    """Draws the next steps; `likely` weights them."""

    def __init__(self, world: Simulation, seed: int) -> None:
        self._world = world
        self._draw = random.Random(seed)  # noqa: S311  # a failure names its seed
        self._likely: dict[Callable[[], Awaitable[None]], int] = {
            self.submit: 20,
            self.cancel_or_retry: 6,
            self.deliver: 20,
            self.dispatch: 15,
            self.work: 40,
            self.persist: 25,
            self.run_concurrently: 10,
            self.wait: 12,
            self.advance_a_month: 1,
            self.flush_broker: 1,
            self.change_plan: 3,
            self.apply_billing: 4,
        }

    async def run(self, steps: int) -> None:
        happenings, weights = zip(*self._likely.items(), strict=True)
        for happening in self._draw.choices(happenings, weights, k=steps):
            await happening()
            await self._world.check_states()

    async def submit(self) -> None:
        """Submit a job; a key that was used before submits the same one again."""
        draw = self._draw
        await self._world.submit(draw.choice(self._world.users), draw.randrange(30))

    async def cancel_or_retry(self) -> None:
        if self._world.jobs:
            user, job = self._draw.choice(self._world.jobs)
            cancel = CancelJob(job_id=job, user_id=user)
            retry = RetryJob(job_id=job, user_id=user, retry_id=new_id())
            self._world.send_command(self._draw.choice([cancel, retry]))

    async def deliver(self) -> None:
        await self._world.deliver(self._some(), self._replica(), self._crash())

    async def dispatch(self) -> None:
        await self._world.dispatch(self._replica(), has_capacity=self._draw.random() < 0.8)

    async def work(self) -> None:
        what = self._draw.choices(range(6), (10, 3, 1, 4, 2, 2))[0]
        again = self._draw.random() < 0.2
        await self._world.report(self._draw.randrange(99), what, again=again)

    async def persist(self) -> None:
        await self._world.persist(self._some(), self._replica(), self._crash())

    async def run_concurrently(self) -> None:
        """Both replicas take commands and results of the same users, and dispatch."""
        world = self._world
        await asyncio.gather(
            world.deliver(self._some(), 0),
            world.persist(self._some(), 1),
            world.persist(self._some(), 0),
            world.replicas[1].dispatch(),
        )

    async def wait(self) -> None:
        await self._world.pass_time(timedelta(seconds=self._draw.choice([1, 5, 11, 40])))
        await self._world.run_timers()

    async def advance_a_month(self) -> None:
        await self._world.pass_time(MONTH)

    async def flush_broker(self) -> None:
        await self._world.flush()

    async def change_plan(self) -> None:
        user, plan = self._draw.choice(self._world.users), self._draw.choice(list(Plan))
        await self._world.change_plan(user, plan, self._draw.choice([3, 8, None]))
        if self._draw.random() < 0.5:
            await self._world.correct(user)

    async def apply_billing(self) -> None:
        if self._world.billing_events:
            await self._world.bill(self._some(), self._replica())

    def _some(self) -> list[int]:
        return [self._draw.randrange(99) for _ in range(self._draw.randint(1, 8))]

    def _replica(self) -> int:
        return self._draw.randrange(2)

    def _crash(self) -> str:
        return self._draw.choices(["", "before", "after"], (6, 1, 1))[0]


@pytest_asyncio.fixture
async def simulation(
    rows: asyncpg.Connection, open_database: OpenDatabase, add_user: AddUser, submit_job: BuildJob
) -> Simulation:
    await rows.execute(CLOCK)
    await rows.execute("SET search_path = clock, pg_catalog, public")
    broker = FakeBroker()
    replicas = [Replica(await open_database(), broker) for _ in range(2)]
    return Simulation(rows, replicas, broker, [await add_user() for _ in Plan], submit_job)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
async def test_after_any_random_scenario_every_job_has_ended_and_the_ledgers_are_consistent(
    simulation: Simulation, seed: int
) -> None:
    await RandomScenario(simulation, seed).run(steps=400)
    await simulation.run_to_completion()
    assert len(simulation.seen) > SOME
