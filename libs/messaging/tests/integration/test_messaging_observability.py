"""The metrics of Redis and its topics, and that a drained process leaves nothing in Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from msaas.contracts import get_topic
from msaas.embedded import RedisServer
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.streams import Write
from msaas.telemetry import Metrics, current_traceparent, shutdown_tracing, start_tracing
from msaas.testing import build_submit_job, wait_until

OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
TOPIC = get_topic("jobs.commands")
TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"


class JobDatabase(Protocol):
    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_tracing("jobs", "test", exporter=exporter, sample_ratio=0.0)
    yield exporter
    shutdown_tracing()


def traceparent(trace: str, *, sampled: bool) -> str:
    return f"00-{trace}-00f067aa0ba902b7-{int(sampled):02x}"


def find_sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_gauges_report_depth_lag_pending_entries_their_age_and_dead_letters(
    submit: Submit,
    open_messenger: OpenMessenger,
    open_broker: OpenBroker,
    start: Start,
    environment: str,
) -> None:
    broker, metrics = open_broker(), Metrics("jobs", environment)
    go_on = asyncio.Event()

    async def wait(_: Sequence[Delivery]) -> list[OutgoingMessage]:
        await go_on.wait()
        return []

    def show() -> dict[str, float | None]:
        names = ("depth", "lag", "pending", "dlq_depth", "oldest_pending_seconds")
        labels = {"topic": "jobs.commands", "group": "jobs"}
        stamp = {"service": "jobs", "environment": environment}
        return {
            name: find_sample(metrics, f"msaas_topic_{name}", **labels, **stamp) for name in names
        }

    dead, poison = TOPIC.dead_letter_key(environment, "jobs"), TOPIC.poison_key(environment, "jobs")
    await broker.commit([Write(key, {b"dead": b"letter"}) for key in (dead, poison, poison)])
    await submit(broker, 5)
    jobs = open_messenger("jobs", metrics=metrics)
    jobs.consume_batches("jobs.commands", wait, max_size=2)
    start(jobs)
    await wait_until(lambda: show()["pending"] == 2)
    busy = show()
    assert (busy["oldest_pending_seconds"] or 0) > 0
    assert busy | {"oldest_pending_seconds": 0} == {
        "depth": 5,
        "lag": 3,
        "pending": 2,
        "dlq_depth": 3,
        "oldest_pending_seconds": 0,
    }
    go_on.set()
    idle = {"depth": 0, "lag": 0, "pending": 0, "dlq_depth": 3, "oldest_pending_seconds": 0}
    await wait_until(lambda: show() == idle)
    assert b'msaas_messages_total{environment="' in metrics.render()


async def test_messages_are_counted_by_what_became_of_them(
    submit: Submit, open_messenger: OpenMessenger, start: Start, open_broker: OpenBroker
) -> None:
    async def fail_for_some(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        if any(delivery.entry_id in failing for delivery in batch):
            raise ValueError
        return []

    broker = open_broker()
    await submit(broker, 7)
    metrics = Metrics("jobs", "test")
    jobs = open_messenger("jobs", metrics=metrics, max_deliveries=2, reclaim_after=0.3)
    key = TOPIC.key(jobs.context.environment)
    failing = {raw.entry_id for raw in (await broker.tail({key: "0-0"}, 2, 0))[key]}
    await broker.commit([Write(key, {b"not": b"readable"})])
    jobs.consume_batches("jobs.commands", fail_for_some)
    start(jobs)

    def counts() -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == "msaas_messages_total"
        }

    expected = {"handled": 5, "poison": 1, "failed": 2, "transient": 2}
    assert await wait_until(lambda: counts() == expected)


async def test_a_batch_has_a_span_where_a_trace_is_sampled_and_none_where_not(
    spans: InMemorySpanExporter, open_messenger: OpenMessenger, start: Start
) -> None:
    gateway = open_messenger("gateway")
    jobs = open_messenger("jobs")
    handled: list[str | None] = []
    seen_inside: list[str | None] = []

    async def note(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        handled.extend(delivery.entry.traceparent for delivery in batch)
        seen_inside.append(current_traceparent())
        return []

    jobs.consume_batches("jobs.commands", note)
    start(jobs)
    given = [traceparent(OTHER, sampled=False), None, traceparent(TRACE, sampled=True)]
    for number, each in enumerate(given, 1):
        await gateway.publisher.publish(
            "jobs.commands", build_submit_job(), correlation_id="test", traceparent=each
        )
        await wait_until(lambda expected=number: len(handled) == expected)
    jobs.drain()
    shutdown_tracing()
    [made] = spans.get_finished_spans()
    assert made.name == "jobs.commands.handle"
    assert made.context is not None
    assert f"{made.context.trace_id:032x}" == TRACE
    assert handled == given
    assert [bool(inside and TRACE in inside) for inside in seen_inside] == [False, False, True]


async def test_a_drained_process_leaves_no_connection_no_task_and_no_consumer(
    private_redis: Callable[..., RedisServer],
    job_database: JobDatabase,
    environment: str,
    open_messenger: OpenMessenger,
    open_client: Callable[..., Any],
) -> None:
    url = private_redis(aof=False).url
    client, before = open_client(url), asyncio.all_tasks()
    broker = RedisBroker(url)
    gateway = open_messenger("gateway", broker=broker)
    jobs = open_messenger("jobs", broker=broker)
    jobs.consume_batches("jobs.commands", job_database.submit)
    calls = gateway.create_command_client()
    running = [asyncio.create_task(messenger.run()) for messenger in (gateway, jobs)]
    await calls.call("jobs.commands", build_submit_job(), ttl=5, correlation_id="test")
    for messenger in (gateway, jobs):
        messenger.drain()
    await asyncio.gather(*running)
    await broker.close()
    assert asyncio.all_tasks() - before == set()
    key, group = TOPIC.key(environment), TOPIC.group("jobs")

    async def only_we_are_left() -> bool:
        return len(await client.client_list()) == 1

    assert await wait_until(only_we_are_left)
    assert await client.xinfo_consumers(key, group) == []
    assert (await client.xpending(key, group))["pending"] == 0
