"""A worker on a wire in memory, given deliveries by hand, in a time that the test moves."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from msaas.contracts import TASKS, CancelRequested, JobEnvelope, Message, Task, encode, get_topic
from msaas.contracts import decode as read
from msaas.messaging import ConsumerTimings, Delivery, Messenger
from msaas.streams import RawEntry
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryBroker, build_job_envelope, build_job_meta
from msaas.worker import Action, JobWorker

ENV = "test"
RESULTS = get_topic("jobs.results")


class WorkerHarness:
    """One JobWorker, what it says on the wire, and what was asked of it."""

    def __init__(
        self, actions: Mapping[str, Action], clock: FakeClock, tasks: Mapping[str, Task] = TASKS
    ) -> None:
        self.clock = clock
        self.broker = MemoryBroker(clock)
        self.metrics = Metrics("test", ENV)
        self.messenger = self._create_messenger("jobs-worker")
        self.jobs_messenger = self._create_messenger("jobs")
        self.worker = JobWorker(
            self.messenger,
            "jobs.generic",
            actions,
            slots=5,
            name="w",
            metrics=self.metrics,
            clock=clock,
            tasks=tasks,
        )

    def deliver(self, traceparent: str | None = None, **fields: Any) -> Delivery:
        meta = {"valid_until": self.clock.now() + timedelta(minutes=9), **fields.pop("meta", {})}
        fields = {"payload": {"message": "hello"}, **fields, "meta": build_job_meta(**meta)}
        return self.build_delivery("jobs.generic", build_job_envelope(**fields), traceparent)

    def build_delivery(
        self, topic: str, message: Message, traceparent: str | None = None
    ) -> Delivery:
        coded = encode(
            message,
            id=uuid4(),
            correlation_id="test",
            ts=self.clock.now(),
            traceparent=traceparent,
        )
        return Delivery(RawEntry("1-0", coded, 1), read(get_topic(topic), coded))

    async def run(self, delivery: Delivery) -> Any:
        """Return the verdict alone."""
        [outgoing] = await self.worker.run(delivery)
        return outgoing.message

    async def mark_cancelled(self, delivery: Delivery) -> None:
        envelope = delivery.message
        assert isinstance(envelope, JobEnvelope | CancelRequested)
        await self.jobs_messenger.mark_cancelled([envelope.job_id], timedelta(seconds=60))

    async def list_published(self) -> list[Any]:
        key = RESULTS.key(ENV)
        found = await self.broker.tail({key: "0-0"}, 1_000, 0)
        return [read(RESULTS, raw.fields).message for raw in found.get(key, [])]

    async def list_published_types(self) -> list[str]:
        return [type(one).__name__ for one in await self.list_published()]

    def _create_messenger(self, process: str) -> Messenger:
        return Messenger(
            self.broker,
            process,
            ENV,
            metrics=self.metrics,
            timings=ConsumerTimings(epoch_interval=0.01),
            clock=self.clock,
        )


@pytest.fixture
def open_harness(fake_clock: FakeClock) -> Callable[..., WorkerHarness]:
    """Return what sets up a worker whose one action is `act`."""

    def open_(
        act: Callable[..., Any], task_type: str = "echo", tasks: Mapping[str, Task] = TASKS
    ) -> WorkerHarness:
        class FunctionAction:
            async def run(self, run: Any) -> Any:
                return await act(run)

        return WorkerHarness({task_type: FunctionAction()}, fake_clock, tasks)

    return open_
