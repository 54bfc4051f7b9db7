"""What the tests of the worker share: actions, harnesses and the types of the fixtures."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

from msaas.contracts import (
    TASKS,
    EchoParams,
    EchoResult,
    JobEnvelope,
    Message,
    Task,
    decode,
    encode,
    get_topic,
)
from msaas.kernel import Clock
from msaas.messaging import ConsumerTimings, Delivery, Messenger
from msaas.streams import RawEntry
from msaas.telemetry import Metrics
from msaas.testing import (
    FakeClock,
    MemoryBroker,
    build_job_envelope,
    build_job_meta,
    mark_cancelled,
)
from msaas.worker import AbandonReason, Action, JobWorker, RunContext

ENV = "test"
RESULTS = get_topic("jobs.results")

Act = Callable[[RunContext], Awaitable[Any]]


class ScriptedAction:
    """An action that runs the test's function and sets `started` when it begins."""

    task_type = "echo"

    def __init__(self, act: Act | None = None) -> None:
        self._act = act
        self.started = asyncio.Event()
        self.run_count = 0

    async def run(self, run: RunContext) -> Any:
        self.run_count += 1
        self.started.set()
        if self._act is not None:
            return await self._act(run)
        assert isinstance(run.params, EchoParams)
        return EchoResult(message=run.params.message)


class OpenMessenger(Protocol):
    def __call__(self, process: str) -> tuple[Messenger, Metrics]: ...


class OpenWorker(Protocol):
    def __call__(
        self,
        action: Action,
        slots: int = 10,
        clock: Clock | None = None,
        tasks: Mapping[str, Task] = ...,
    ) -> tuple[Messenger, asyncio.Task[None]]: ...


StartMessenger = Callable[[Messenger], asyncio.Task[None]]


class DisabledFlags:
    """Flags that are all on or all off."""

    def __init__(self) -> None:
        self.are_disabled = False

    def find_disabled(self, names: Collection[str]) -> str | None:
        return next(iter(names), None) if self.are_disabled else None


class WorkerHarness:
    """One JobWorker on a broker in memory, which the test gives deliveries."""

    def __init__(
        self, actions: Sequence[Action], clock: FakeClock, tasks: Mapping[str, Task] = TASKS
    ) -> None:
        self.clock = clock
        self.broker = MemoryBroker(clock)
        self.metrics = Metrics("test", ENV)
        self.messenger = self._create_messenger("jobs-worker", "jobs.results")
        self.jobs_messenger = self._create_messenger("jobs", "jobs.control")
        self.flags = DisabledFlags()
        self.worker = JobWorker(
            self.messenger,
            "jobs.generic",
            actions,
            slots=5,
            name="w",
            metrics=self.metrics,
            clock=clock,
            tasks=tasks,
            flags=self.flags,
        )

    def deliver(self, traceparent: str | None = None, **fields: Any) -> Delivery:
        meta = {"valid_until": self.clock.now() + timedelta(minutes=9), **fields.pop("meta", {})}
        fields = {"payload": {"message": "hello"}, **fields, "meta": build_job_meta(**meta)}
        return self.build_delivery("jobs.generic", build_job_envelope(**fields), traceparent)

    def build_delivery(
        self, topic: str, message: Message, traceparent: str | None = None
    ) -> Delivery:
        encoded = encode(
            message,
            id=uuid4(),
            correlation_id="test",
            ts=self.clock.now(),
            traceparent=traceparent,
        )
        return Delivery(RawEntry("1-0", encoded, 1), decode(get_topic(topic), encoded))

    async def run(self, delivery: Delivery) -> Any:
        """Return the outcome alone."""
        [outcome] = await self.run_and_list(delivery)
        return outcome

    async def run_and_list(self, delivery: Delivery) -> list[Any]:
        return [outgoing.message for outgoing in await self.worker.run(delivery)]

    def abandon(
        self, delivery: Delivery, reason: AbandonReason, error: Exception
    ) -> tuple[Any, str | None]:
        [outgoing] = self.worker.on_abandoned(delivery, reason, error)
        return outgoing.message, outgoing.topic

    async def mark_cancelled(self, delivery: Delivery) -> None:
        await mark_cancelled(self.jobs_messenger, get_envelope(delivery).job_id)

    async def list_published(self) -> list[Any]:
        key = RESULTS.key(ENV)
        found = await self.broker.tail({key: "0-0"}, 1_000, 0)
        return [decode(RESULTS, entry.fields).message for entry in found.get(key, [])]

    async def list_published_types(self) -> list[str]:
        return [type(message).__name__ for message in await self.list_published()]

    def _create_messenger(self, process: str, produces: str) -> Messenger:
        return Messenger(
            self.broker,
            process,
            ENV,
            metrics=self.metrics,
            timings=ConsumerTimings(epoch_interval=0.01),
            clock=self.clock,
        )


class OpenHarness(Protocol):
    def __call__(
        self, act: Act, task_type: str = "echo", tasks: Mapping[str, Task] = TASKS
    ) -> WorkerHarness: ...


def get_envelope(delivery: Delivery) -> JobEnvelope:
    assert isinstance(delivery.message, JobEnvelope)
    return delivery.message
