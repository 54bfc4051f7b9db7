"""Which spans are recorded, and how a trace is passed between processes."""

from collections.abc import Callable

import pytest
import sqlalchemy
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from msaas.telemetry import (
    configure_tracing,
    current_traceparent,
    get_logger,
    instrument,
    is_sampled,
    shutdown_tracing,
    span,
)
from msaas.telemetry.instrumentation import Library, get_instrumentor

StartTracing = Callable[[float], InMemorySpanExporter]
Lines = Callable[[], list[dict[str, object]]]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


def finished(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    shutdown_tracing()
    return {made.name: made for made in exporter.get_finished_spans()}


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [
        (SAMPLED, True),
        (SAMPLED[:-1] + "3", True),
        (UNSAMPLED, False),
        (None, False),
        ("", False),
        ("1", False),
        (SAMPLED + "-x", False),
        (SAMPLED.upper(), False),
    ],
)
def test_a_traceparent_shows_whether_its_trace_is_sampled(
    traceparent: str | None, *, sampled: bool
) -> None:
    assert is_sampled(traceparent) is sampled


def test_without_an_endpoint_there_are_no_traces() -> None:
    configure_tracing("jobs", "test", endpoint=None, sample_ratio=1.0)
    with span("jobs.dispatch", traceparent=SAMPLED, links=[SAMPLED], topic="x") as nothing:
        assert nothing is None
        assert current_traceparent() is None
    assert span("a") is span("b")


def test_a_span_continues_a_traceparent_and_passes_on_its_own(tracing: StartTracing) -> None:
    exporter = tracing(0.0)
    with span("jobs.process", traceparent=SAMPLED, task_type="echo"):
        traceparent = current_traceparent()
        with span("jobs.persist"):
            pass
    spans = finished(exporter)
    process, persist = spans["jobs.process"], spans["jobs.persist"]
    assert traceparent is not None
    assert traceparent.startswith(f"00-{TRACE}-")
    assert is_sampled(traceparent)
    assert process.parent is not None
    assert trace.format_span_id(process.parent.span_id) == "00f067aa0ba902b7"
    assert persist.parent == process.context
    assert process.attributes == {"task_type": "echo"}
    assert process.resource.attributes["service.name"] == "jobs"
    assert process.resource.attributes["deployment.environment.name"] == "test"


def test_an_unsampled_trace_creates_no_span_and_stays_unsampled(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    with span("jobs.process", traceparent=UNSAMPLED):
        assert current_traceparent() == UNSAMPLED
        with span("jobs.persist") as nothing:
            assert nothing is None
            assert current_traceparent() == UNSAMPLED
    assert current_traceparent() is None
    assert finished(exporter) == {}


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 0), (1.0, 20)])
def test_new_traces_are_sampled_by_ratio(tracing: StartTracing, ratio: float, kept: int) -> None:
    exporter = tracing(ratio)
    for _ in range(20):
        with span("jobs.dispatch"):
            assert is_sampled(current_traceparent()) is (ratio == 1.0)
    shutdown_tracing()
    assert len(exporter.get_finished_spans()) == kept


def test_a_malformed_traceparent_starts_a_new_trace(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    with span("jobs.process", traceparent="garbage"):
        pass
    assert finished(exporter)["jobs.process"].parent is None


def test_links_name_the_other_traces_of_a_batch(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    with span("jobs.persist", links=[SAMPLED, "garbage", UNSAMPLED]):
        pass
    links = finished(exporter)["jobs.persist"].links
    assert [trace.format_trace_id(link.context.trace_id) for link in links] == [TRACE]


def test_an_error_is_recorded_on_its_span_without_secrets(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    dsn = "postgresql://jobs:PLANTED@db/app"
    with pytest.raises(RuntimeError), span("jobs.persist", url="https://x.example/?code=PLANTED"):
        raise RuntimeError(f"cannot reach {dsn}")
    (failed,) = finished(exporter).values()
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.events[0].name == "exception"
    assert "PLANTED" not in failed.to_json()
    assert "[redacted]@db/app" in failed.to_json()


def test_a_line_written_inside_a_span_carries_its_ids(tracing: StartTracing, lines: Lines) -> None:
    tracing(1.0)
    with span("jobs.process", traceparent=SAMPLED):
        get_logger().info("job_started")
    get_logger().info("job_finished")
    inside, outside = lines()
    assert inside["trace_id"] == TRACE
    assert len(str(inside["span_id"])) == 16
    assert "trace_id" not in outside


def query_database() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("select :secret"), {"secret": "PLANTED"})
    engine.dispose()


def test_a_library_is_not_instrumented_while_tracing_is_off(tracing: StartTracing) -> None:
    untouched = sqlalchemy.create_engine
    instrument("sqlalchemy")
    assert sqlalchemy.create_engine is untouched
    tracing(1.0)
    instrument("sqlalchemy")
    assert sqlalchemy.create_engine is not untouched
    shutdown_tracing()
    assert sqlalchemy.create_engine is untouched


def test_an_instrumented_library_creates_spans_without_values(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    instrument("sqlalchemy")
    with span("jobs.persist"):
        query_database()
    spans = finished(exporter)
    select = spans["select"]
    assert select.parent == spans["jobs.persist"].context
    assert "PLANTED" not in select.to_json()


def test_calls_in_an_unsampled_trace_create_no_spans(tracing: StartTracing) -> None:
    exporter = tracing(1.0)
    instrument("sqlalchemy")
    with span("jobs.persist", traceparent=UNSAMPLED):
        query_database()
    assert finished(exporter) == {}


@pytest.mark.parametrize("library", ["fastapi", "asyncpg", "redis", "httpx", "sqlalchemy"])
def test_each_supported_library_has_an_instrumentor(
    library: Library, tracing: StartTracing
) -> None:
    tracing(1.0)
    instrument(library)
    instrumentor = get_instrumentor(library)
    assert instrumentor.is_instrumented_by_opentelemetry
    shutdown_tracing()
    assert not instrumentor.is_instrumented_by_opentelemetry
