"""Creates spans, and passes traces between processes as W3C traceparents."""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from msaas.telemetry.instrumentation import Library, get_instrumentor
from msaas.telemetry.span_export import RedactingExporter

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SAMPLED: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]")
_LIMITS: Final = SpanLimits(max_attribute_length=4_096, max_attributes=64, max_links=128)
_EXPORT_SECONDS: Final = 2.0  # for all attempts of a batch; also limits a shutdown
_NO_SPAN: Final = nullcontext()


class _Tracing(NamedTuple):
    provider: TracerProvider
    tracer: trace.Tracer
    instrumentors: list[BaseInstrumentor]


_tracing: _Tracing | None = None


def configure_tracing(
    service: str, environment: str, *, endpoint: str | None, sample_ratio: float
) -> None:
    """Send spans to an OTLP/HTTP collector; without an endpoint tracing is off."""
    shutdown_tracing()
    if endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS
        )
        start_tracing(service, environment, exporter=exporter, sample_ratio=sample_ratio)


def start_tracing(
    service: str, environment: str, *, exporter: SpanExporter, sample_ratio: float
) -> None:
    """Send spans to any exporter, for example one in memory."""
    global _tracing  # noqa: PLW0603  # tracing is on or off for the whole process
    shutdown_tracing()
    resource = Resource.create(
        {"service.name": service, "deployment.environment.name": environment}
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(sample_ratio)),
        resource=resource,
        span_limits=_LIMITS,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(RedactingExporter(exporter)))
    _tracing = _Tracing(provider, provider.get_tracer("msaas"), [])


def shutdown_tracing() -> None:
    """Export the remaining spans and turn tracing off."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing:
        for instrumentor in tracing.instrumentors:
            instrumentor.uninstrument()
        tracing.provider.shutdown()


def instrument(*libraries: Library) -> None:
    """Create spans for the calls of libraries; do nothing if tracing is off."""
    if _tracing is None:
        return
    for library in libraries:
        instrumentor = get_instrumentor(library)
        # The check would refuse SQLAlchemy 2.1, which works (covered by a test).
        instrumentor.instrument(tracer_provider=_tracing.provider, skip_dep_check=True)
        _tracing.instrumentors.append(instrumentor)


def is_sampled(traceparent: str | None) -> bool:
    """Return whether a traceparent marks its trace as sampled."""
    return traceparent is not None and _SAMPLED.fullmatch(traceparent) is not None


def span(
    name: str,
    *,
    traceparent: str | None = None,
    links: Sequence[str] = (),
    **attributes: str | bool | float,
) -> AbstractContextManager[object]:
    """Record the block as a span of the given trace, or else of the current one."""
    if _tracing is None:
        return _NO_SPAN
    parent = _extract(traceparent) if traceparent else None
    if _is_unsampled(trace.get_current_span(parent).get_span_context()):
        return _attached(parent) if parent else _NO_SPAN
    return _tracing.tracer.start_as_current_span(
        name,
        context=parent,
        links=[trace.Link(_span_context(link)) for link in links if is_sampled(link)],
        attributes=attributes,
    )


def batch_span(
    name: str, traceparents: Iterable[str | None], **attributes: str | bool | float
) -> AbstractContextManager[object]:
    """Record the block where a trace of the batch is sampled; the other sampled ones are links."""
    sampled = [each for each in traceparents if each and is_sampled(each)]
    if not sampled:
        return nullcontext()
    return span(name, traceparent=sampled[0], links=sampled[1:], **attributes)


def current_traceparent() -> str | None:
    """Return the traceparent of the current span, with which another process can continue."""
    if _tracing is None:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def current_trace_ids() -> Mapping[str, str]:
    """Return the ids of the current span, for log lines."""
    if _tracing is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


@contextmanager
def _attached(parent: Context) -> Generator[None]:
    """Attach an unsampled trace without creating a span."""
    token = attach(parent)
    try:
        yield
    finally:
        detach(token)


def _is_unsampled(context: trace.SpanContext) -> bool:
    return context.is_valid and not context.trace_flags.sampled


def _extract(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())


def _span_context(traceparent: str) -> trace.SpanContext:
    return trace.get_current_span(_extract(traceparent)).get_span_context()
