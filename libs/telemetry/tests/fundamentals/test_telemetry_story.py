"""Telemetry in five stories, one idea each."""

import io

import orjson

from msaas.telemetry import (
    Metrics,
    bind,
    configure_tracing,
    current_traceparent,
    get_logger,
    redact_text,
    span,
)


def test_an_event_is_one_json_object_with_the_bound_fields(stream: io.BytesIO) -> None:
    with bind(correlation_id="c-1"):
        get_logger().info("job_accepted", job_id="0192f3a4")
    line = orjson.loads(stream.getvalue())
    assert (line["event"], line["correlation_id"], line["job_id"]) == (
        "job_accepted",
        "c-1",
        "0192f3a4",
    )


def test_a_secret_does_not_reach_the_log(stream: io.BytesIO) -> None:
    get_logger().info("webhook_received", signature="t=1,v1=abc", url="https://x.example/?k=abc")
    assert b"abc" not in stream.getvalue()


def test_redaction_can_be_used_for_any_text() -> None:
    assert redact_text("redis://jobs:hunter2@redis:6379") == "redis://[redacted]@redis:6379"


def test_a_metric_is_declared_where_it_is_used_and_labelled_by_the_registry() -> None:
    metrics = Metrics("jobs", "production")
    metrics.counter("msaas_jobs_submitted_total", "Jobs submitted.", ("plan",)).labels("PRO").inc()
    series = 'msaas_jobs_submitted_total{environment="production",plan="PRO",service="jobs"} 1.0'
    assert series in metrics.render().decode()


def test_spans_do_nothing_without_an_endpoint() -> None:
    configure_tracing("jobs", "production", endpoint=None, sample_ratio=0.1)
    with span("jobs.dispatch", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"):
        assert current_traceparent() is None
