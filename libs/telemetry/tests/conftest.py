"""Fixtures that read the output of telemetry and reset the process."""

import io
from collections.abc import Callable, Iterator

import orjson
import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from msaas.telemetry import configure_logging, shutdown_tracing, start_tracing

Lines = Callable[[], list[dict[str, object]]]
StartTracing = Callable[[float], InMemorySpanExporter]


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    """Undo what a test configures: structlog belongs to the whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.BytesIO:
    """Give what a process whose logging is configured writes to its stdout."""
    written = io.BytesIO()
    configure_logging("jobs", "test", level="DEBUG", stream=written)
    return written


@pytest.fixture
def lines(stream: io.BytesIO) -> Lines:
    return lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def tracing() -> Iterator[StartTracing]:
    def start(sample_ratio: float) -> InMemorySpanExporter:
        exporter = InMemorySpanExporter()
        start_tracing("jobs", "test", exporter=exporter, sample_ratio=sample_ratio)
        return exporter

    yield start
    shutdown_tracing()
