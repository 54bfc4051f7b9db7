"""One trace from the command that submits a job to the envelope that its worker reads."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from services.jobs.tests.support import Gateway, OpenBroker, StartService

from msaas.contracts import decode, get_topic
from msaas.telemetry import shutdown_tracing, start_tracing
from msaas.testing import wait_until

OURS = frozenset({"jobs.enqueue", "jobs.dispatch"})
NONE = frozenset[str]()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_tracing("jobs", "test", exporter=exporter, sample_ratio=0.0)
    yield exporter
    shutdown_tracing()


@pytest.mark.parametrize(("flag", "names"), [("01", OURS), ("00", NONE)])
async def test_a_sampled_submit_is_followed_to_its_dispatch_and_an_unsampled_one_is_not(
    flag: str,
    names: frozenset[str],
    spans: InMemorySpanExporter,
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    environment: str,
    open_broker: OpenBroker,
) -> None:
    running = await start_service()
    await gateway.submit(user, traceparent=f"00-{TRACE}-00f067aa0ba902b7-{flag}")
    broker, topic = open_broker(), get_topic("jobs.generic")
    [key] = topic.keys(environment)

    async def envelopes() -> Any:
        return (await broker.tail({key: "0-0"}, 10, 0)).get(key)

    [raw] = await wait_until(envelopes)
    await running.end()
    shutdown_tracing()
    found = [span for span in spans.get_finished_spans() if span.name.startswith("jobs.")]
    traceparent = decode(topic, raw.fields).traceparent
    assert traceparent is not None
    assert traceparent.split("-")[1] == TRACE
    assert names <= {span.name for span in found}
    assert bool(found) is bool(names)
    assert all(format(span.context.trace_id, "032x") == TRACE for span in found if span.context)
