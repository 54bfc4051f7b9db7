"""Runs random orders of deliveries, crashes, repeats, outages and data loss against two owners."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from msaas.contracts import (
    Message,
    SubmitJob,
    Topic,
    UsageRecorded,
    decode,
    epoch_key,
    get_topic,
    reply_key,
)
from msaas.kernel import DependencyUnavailable, MsaasError, RetryPolicy, new_id
from msaas.messaging import (
    BatchConsumer,
    ConsumerContext,
    ConsumerTimings,
    Delivery,
    Messenger,
    OutgoingMessage,
)
from msaas.redis import EpochWatcher
from msaas.streams import Broker, entry_timestamp_ms
from msaas.telemetry import Metrics
from msaas.testing import Crash, FakeClock, build_submit_job, build_usage_recorded, with_crash

pytestmark = pytest.mark.timeout(900)  # thousands of steps, slower while coverage is measured
T = TypeVar("T")
ENV, LIMIT, IDLE, TTL_MS = "machine", 10, 10.0, 5000
PACE = ConsumerTimings(
    block_timeout=0,
    reclaim_after=IDLE,
    epoch_interval=0,
    drain_timeout=0,
    max_deliveries=LIMIT,
    retry=RetryPolicy(base=0, cap=0),
)
REPLIES = reply_key(ENV, "gateway-machine")
TOPICS = {"jobs": get_topic("jobs.commands"), "billing": get_topic("usage.events")}
# Two of each, so that one can fall silent, or lag behind, while the other takes over.
PROCESSES = ("jobs", "jobs", "billing", "billing")
SOME_PROCESS = st.integers(0, len(PROCESSES) - 1)


class FaultyBroker(Protocol):
    lost: dict[str, str]
    skew_ms: int


class BrokerHarness(Protocol):
    clock: FakeClock
    faulty_broker: FaultyBroker

    @property
    def broker(self) -> Broker: ...
    def run(self, act: Coroutine[Any, Any, T]) -> T: ...
    def begin(self) -> None: ...
    async def pass_time(self, seconds: float) -> None: ...
    async def flush(self) -> None: ...
    async def replace(self) -> None: ...


class PermanentError(MsaasError):
    """Not retryable."""


POISON = {"hopeless": PermanentError, "stubborn": ValueError}


class FakeDatabase:
    """A fake Postgres: all its rows are committed, under a unique key."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.usage: dict[UUID, int] = {}
        self.billed: dict[int, UUID] = {}
        self.epoch = ""
        self.outages = 0
        self.extra_deliveries = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.stalled = asyncio.Event()
        self.begun, self.faults = set[str](), list[str]()

    async def handle(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        for delivery in batch:
            await self._check_delivery(delivery)
        await self._wait_at_gate("before")
        if self.outages:
            self.outages -= 1
            raise DependencyUnavailable(target="record")
        for delivery in batch:
            refuse_poison(delivery.message)
        outgoing = [message for delivery in batch for message in self._apply(delivery)]
        await self._wait_at_gate("after")
        return outgoing

    async def _wait_at_gate(self, point: str) -> None:
        if gate := self.gates.pop(point, None):
            self.stalled.set()
            await gate.wait()

    async def _check_delivery(self, delivery: Delivery) -> None:
        raw, ttl_ms = delivery.raw, delivery.entry.ttl_ms
        if raw.delivery_count > 1 + self.extra_deliveries and task_of(delivery) not in POISON:
            self.faults.append("a delivery was counted that no crash or lost answer explains")
        if ttl_ms is not None and raw.delivery_count == 1 and raw.entry_id not in self.begun:
            # Real servers' clocks go on by themselves, a little.
            late = await self.broker.now_ms() - entry_timestamp_ms(raw.entry_id) - ttl_ms
            if late > TTL_MS / 5:
                self.faults.append("an expired command was executed")
        self.begun.add(raw.entry_id)

    def _apply(self, delivery: Delivery) -> list[OutgoingMessage]:
        match delivery.message:
            case SubmitJob(job_id=job_id):
                seq = self.usage.setdefault(job_id, len(self.usage) + 1)
                fact = build_usage_recorded(job_id=job_id, seq=seq)
                return [*delivery.reply_success(seq=seq), delivery.emit("usage.events", fact)]
            case UsageRecorded(job_id=job_id, seq=seq):
                if self.billed.setdefault(seq, job_id) != job_id:
                    self.faults.append("two jobs share one usage fact")
            case other:
                self.faults.append(f"{type(other).__name__} arrived")
        return []


def refuse_poison(message: Message) -> None:
    if isinstance(message, SubmitJob) and message.task_type in POISON:
        raise POISON[message.task_type]


@dataclass
class Process:
    consumer: BatchConsumer
    stalled: asyncio.Task[None] | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)


class ExactlyOnce(RuleBasedStateMachine):
    def __init__(self, harness: BrokerHarness) -> None:
        super().__init__()
        harness.begin()
        self.harness = harness
        self.metrics = Metrics("tests", ENV)
        self.database = FakeDatabase(harness.broker)
        self.processes = [self.start(name) for name in PROCESSES]
        self.gateway = self.make_context("gateway", harness.broker)
        self.publisher = self.make_context("jobs", harness.broker)
        self.commands: dict[UUID, OutgoingMessage] = {}
        self.lost_commands: set[UUID] = set()
        self.flushed = False
        self.replies: set[UUID] = set()

    def make_context(self, process: str, broker: Broker) -> ConsumerContext:
        return Messenger(
            broker,
            process,
            ENV,
            metrics=self.metrics,
            timings=PACE,
            clock=self.harness.clock,
        ).context

    def start(
        self, name: str, broker: Broker | None = None, database: FakeDatabase | None = None
    ) -> Process:
        context = self.make_context(name, broker or self.harness.broker)
        handle = (database or self.database).handle
        return Process(BatchConsumer(context, TOPICS[name].name, handle, 20, 0))

    # What producers do

    @rule(
        task_type=st.sampled_from(["echo", "echo", "echo", "hopeless", "stubborn"]),
        wants_reply=st.booleans(),
        expires=st.booleans(),
        copies=st.integers(1, 2),
    )
    def submit(self, task_type: str, wants_reply: bool, expires: bool, copies: int) -> None:  # noqa: FBT001  # drawn
        command = OutgoingMessage(
            message=build_submit_job(task_type=task_type),
            topic="jobs.commands",
            id=new_id(),
            reply_to=REPLIES if wants_reply else None,
            ttl_ms=TTL_MS + self.harness.faulty_broker.skew_ms if expires else None,
            correlation_id="machine",
        )
        self.commands[cast("UUID", command.id)] = command
        self.harness.run(self.gateway.publisher.commit([command] * copies))

    @precondition(lambda self: self.commands)
    @rule(data=st.data())
    def repeat_in_another_order(self, data: st.DataObject) -> None:
        """Resend a command that may have been handled: its sender got no confirmation."""
        some = data.draw(st.lists(st.sampled_from(sorted(self.commands)), max_size=4), label="ids")
        self.harness.run(self.gateway.publisher.commit([self.commands[id_] for id_ in some]))

    @rule(shuffled=st.randoms(use_true_random=False))
    def notice_the_epoch(self, shuffled: Any) -> None:
        """Let the owner publish unconfirmed facts again, in any order."""

        async def publish_again(epoch: str) -> None:
            if self.database.epoch == epoch:
                return
            left = {seq: job for job, seq in self.database.usage.items()}.items()
            unbilled = [(s, job) for s, job in left if s not in self.database.billed]
            shuffled.shuffle(unbilled)
            facts = [build_usage_recorded(job_id=job_id, seq=seq) for seq, job_id in unbilled]
            await self.publisher.publisher.commit(
                OutgoingMessage(message=fact, topic="usage.events", correlation_id="epoch")
                for fact in facts
            )
            self.database.epoch = epoch

        broker, key = self.publisher.broker, epoch_key(ENV)
        self.harness.run(EpochWatcher(broker, key, [publish_again], is_creator=True).step())

    # What consumers do

    @rule(which=SOME_PROCESS)
    def deliver(self, which: int) -> None:
        if self.processes[which].stalled is None:
            self.harness.run(step(self.processes[which].consumer))

    @rule(which=SOME_PROCESS, outages=st.integers(1, 3))
    def deliver_while_the_database_is_down(self, which: int, outages: int) -> None:
        self.database.outages = outages
        self.deliver(which)
        self.database.outages = 0

    @rule(
        which=SOME_PROCESS,
        call=st.sampled_from(["commit", "read", "reclaim", "ensure_group"]),
        lost=st.sampled_from(["call", "answer"]),
    )
    def deliver_over_a_bad_line(self, which: int, call: str, lost: str) -> None:
        if call in ("read", "reclaim") and lost == "answer" and not self.may_hurt():
            return
        self.harness.faulty_broker.lost[call] = lost
        self.deliver(which)
        self.harness.faulty_broker.lost.clear()

    @rule(
        which=SOME_PROCESS,
        where=st.sampled_from(["handle", "commit", "read"]),
        when=st.sampled_from(["before", "after"]),
    )
    def crash(self, which: int, where: str, when: Any) -> None:
        """End one process at one point, and start another instead."""
        if self.processes[which].stalled is not None or not self.may_hurt():
            return
        dead = asyncio.Event()
        database, broker = self.database, self.harness.broker
        if where == "handle":
            database = CrashingProxy(with_crash(database, "handle", when), dead)
        else:
            broker = CrashingProxy(with_crash(broker, where, when), dead)
        name = PROCESSES[which]
        crashing = self.start(name, cast("Broker", broker), cast("FakeDatabase", database))
        self.harness.run(live_until(dead, crashing.consumer))
        self.processes[which] = self.start(name)

    @rule(which=SOME_PROCESS, point=st.sampled_from(["before", "after"]))
    def stall(self, which: int, point: str) -> None:
        """Hold a process up within its handler: others may think that it is dead."""
        process = self.processes[which]
        if process.stalled is not None or not self.may_hurt():
            return
        process.gate = self.database.gates[point] = asyncio.Event()
        self.database.stalled.clear()

        async def begin() -> None:
            process.stalled = asyncio.create_task(step(process.consumer))
            waiting = asyncio.create_task(self.database.stalled.wait())
            await asyncio.wait({process.stalled, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

        self.harness.run(begin())
        self.database.gates.clear()
        if process.stalled and process.stalled.done():
            self.resume(which)

    @rule(which=SOME_PROCESS)
    def resume(self, which: int) -> None:
        process = self.processes[which]
        if process.stalled is not None:
            process.gate.set()
            self.harness.run(cast("Any", process.stalled))
            process.stalled = None

    @rule(which=SOME_PROCESS, down=st.booleans())
    def drain(self, which: int, down: bool) -> None:  # noqa: FBT001  # drawn
        """Deploy: entries that wait for the database are released, uncounted."""
        self.resume(which)
        runner = self.processes[which].consumer
        runner.drain()
        self.database.outages = int(down)
        self.harness.run(step(runner))
        self.database.outages = 0
        self.harness.run(runner.run())
        self.processes[which] = self.start(PROCESSES[which])

    # Outages and data loss

    @rule(seconds=st.sampled_from([1.0, IDLE + 1]))
    def pass_time(self, seconds: float) -> None:
        self.read_replies()
        self.harness.run(self.harness.pass_time(seconds))

    @rule(replaced=st.booleans())
    def lose_broker_data(self, replaced: bool) -> None:  # noqa: FBT001  # drawn
        self.read_replies()
        lost = self.harness.replace() if replaced else self.harness.flush()
        self.harness.run(lost)
        self.lost_commands |= set(self.commands)
        self.flushed = True

    # What must be true

    @invariant()
    def nothing_is_done_that_should_not_be(self) -> None:
        assert self.database.faults == []

    @invariant()
    def what_is_billed_is_what_was_recorded(self) -> None:
        recorded = {seq: job_id for job_id, seq in self.database.usage.items()}
        assert self.database.billed.items() <= recorded.items()

    def teardown(self) -> None:
        self.heal()
        self.nothing_is_done_that_should_not_be()
        self.every_job_is_committed_and_billed_once()
        self.only_poison_is_dead_lettered()
        self.nothing_is_left_on_the_broker()
        self.only_who_with_reply_is_answered()

    def heal(self) -> None:
        for which in range(len(PROCESSES)):
            self.resume(which)
        # A caller whose command was lost with Redis had no answer, and so sends it again.
        unanswered = [self.commands[id_] for id_ in self.lost_commands - self.replies]
        again = [command for command in unanswered if job_of(command) not in self.database.usage]
        self.harness.run(self.gateway.publisher.commit(again))
        self.settle()
        self.notice_the_epoch(NotShuffled())
        for _ in range(LIMIT + 1):
            self.settle()
            self.pass_time(IDLE + 1)
        self.settle()
        self.read_replies()

    def settle(self) -> None:
        for which in (*range(len(PROCESSES)), *range(len(PROCESSES))):
            self.deliver(which)

    def every_job_is_committed_and_billed_once(self) -> None:
        good = [c for c in self.commands.values() if task_of(c) == "echo"]
        lasting = {job_of(command) for command in good if command.ttl_ms is None}
        assert lasting <= self.database.usage.keys() <= {job_of(command) for command in good}
        assert self.database.billed == {seq: job for job, seq in self.database.usage.items()}

    def only_poison_is_dead_lettered(self) -> None:
        found = {
            "hopeless": self.list_dead_letters(TOPICS["jobs"].poison_key),
            "stubborn": self.list_dead_letters(TOPICS["jobs"].dead_letter_key),
        }
        for task_type, dead_letters in found.items():
            bad = {id_ for id_, c in self.commands.items() if task_of(c) == task_type}
            lasting = {id_ for id_ in bad if self.commands[id_].ttl_ms is None}
            assert (set() if self.flushed else lasting) <= dead_letters <= bad
        billing = TOPICS["billing"]
        assert (
            self.list_dead_letters(billing.poison_key)
            | self.list_dead_letters(billing.dead_letter_key)
            == set()
        )

    def list_dead_letters(self, key: Callable[[str, str], str]) -> set[UUID]:
        owner = cast("Topic", cast("Any", key).__self__).consumers[0]
        return self.ids_on(key(ENV, owner))

    def nothing_is_left_on_the_broker(self) -> None:
        for name, topic in TOPICS.items():
            stats = self.harness.run(self.harness.broker.stats(topic.key(ENV), topic.group(name)))
            assert (stats.depth, stats.pending) == (0, 0)

    def only_who_with_reply_is_answered(self) -> None:
        with_reply = {id_ for id_, c in self.commands.items() if c.reply_to}
        certain = {
            id_
            for id_ in with_reply
            if task_of(self.commands[id_]) == "echo" and self.commands[id_].ttl_ms is None
        }
        assert (set() if self.flushed else certain) <= self.replies <= with_reply

    def read_replies(self) -> None:
        found = self.harness.run(self.harness.broker.tail({REPLIES: "0-0"}, 10_000, 0))
        topic = get_topic("replies")
        for raw in found.get(REPLIES, []):
            self.replies.add(cast("Any", decode(topic, raw.fields).message).command_id)

    def ids_on(self, key: str) -> set[UUID]:
        found = self.harness.run(self.harness.broker.tail({key: "0-0"}, 10_000, 0))
        return {UUID(raw.fields[b"id"].decode()) for raw in found.get(key, [])}

    def may_hurt(self) -> bool:
        """Each of these makes one delivery come to nothing, and there is a limit to them."""
        if self.database.extra_deliveries >= LIMIT - 3:
            return False
        self.database.extra_deliveries += 1
        return True


class CrashingProxy:
    """Reports when a crash point was reached, in any task of the process."""

    def __init__(self, target: object, dead: asyncio.Event) -> None:
        self._target = target
        self._dead = dead

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return await getattr(self._target, name)(*args, **kwargs)
            except Crash:
                self._dead.set()
                raise

        return call


async def live_until(dead: asyncio.Event, runner: BatchConsumer) -> None:
    """Take two steps, unless the process crashes; then it takes no more steps."""
    others = asyncio.all_tasks()

    async def live() -> None:
        await step(runner)
        await step(runner)

    ends = [asyncio.create_task(live()), asyncio.create_task(dead.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    left = asyncio.all_tasks() - others
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class NotShuffled:
    def shuffle(self, _: list[Any]) -> None: ...


async def step(runner: BatchConsumer) -> None:
    with suppress(DependencyUnavailable):
        await runner.step()


def job_of(command: OutgoingMessage | Delivery) -> UUID:
    return cast("SubmitJob", command.message).job_id


def task_of(command: OutgoingMessage | Delivery) -> str:
    return command.message.task_type if isinstance(command.message, SubmitJob) else ""


def try_it(harness: BrokerHarness, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        cast("Any", partial(ExactlyOnce, harness)),
        settings=settings(
            settings.get_profile("machines"), max_examples=examples, stateful_step_count=steps
        ),
    )


def test_each_effect_happens_once_under_any_faults_in_memory(
    memory_harness: BrokerHarness,
) -> None:
    try_it(memory_harness, examples=300, steps=30)


def test_each_effect_happens_once_under_any_faults_on_redis(redis_harness: BrokerHarness) -> None:
    try_it(redis_harness, examples=15, steps=25)
