"""The labels of every series and the rules for names."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from msaas.kernel import Breaker, BreakerPolicy
from msaas.telemetry import InvalidMetric, Metrics, circuit_state_listener
from msaas.testing import FakeClock


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("jobs", "test")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    stamp = {"service": "jobs", "environment": "test"}
    return metrics.registry.get_sample_value(name, labels | stamp)


def test_every_series_has_service_and_environment(metrics: Metrics) -> None:
    metrics.counter("msaas_messages_total", "Messages.", ("topic",)).labels("jobs.results").inc()
    metrics.gauge("msaas_sse_connections", "Connections.").set(3)
    metrics.histogram("db_pool_wait_seconds", "Waiting.", buckets=(0.1, 1.0)).observe(0.5)
    families = list(text_string_to_metric_families(metrics.render().decode()))
    samples = [sample for family in families for sample in family.samples]
    assert {(s.labels["service"], s.labels["environment"]) for s in samples} == {("jobs", "test")}
    names = {sample.name for sample in samples}
    assert {"process_resident_memory_bytes", "python_info", "msaas_messages_total"} <= names
    assert not [name for name in names if name.endswith("_created")]


def test_values_are_what_was_counted(metrics: Metrics) -> None:
    metrics.counter("msaas_messages_total", "Messages.", ("topic",)).labels("a").inc(2)
    metrics.histogram("db_pool_wait_seconds", "Waiting.", buckets=(0.1, 1.0)).observe(0.5)
    assert value(metrics, "msaas_messages_total", topic="a") == 2
    assert value(metrics, "db_pool_wait_seconds_bucket", le="1.0") == 1
    assert value(metrics, "db_pool_wait_seconds_bucket", le="0.1") == 0


def test_the_same_name_returns_the_same_metric(metrics: Metrics) -> None:
    first = metrics.gauge("msaas_topic_depth", "Depth.", ("topic",))
    assert metrics.gauge("msaas_topic_depth", "Depth.", ["topic"]) is first


def test_a_metric_cannot_change_its_type_or_labels(metrics: Metrics) -> None:
    metrics.gauge("msaas_topic_depth", "Depth.", ("topic",))
    with pytest.raises(InvalidMetric, match="other labels"):
        metrics.gauge("msaas_topic_depth", "Depth.", ("group",))
    with pytest.raises(InvalidMetric, match="another type"):
        metrics.histogram("msaas_topic_depth", "Depth.", ("topic",))


@pytest.mark.parametrize(
    "name",
    [
        *("msaas_jobs_submitted_total", "jobs_browser_total", "billing_usage_reports_total"),
        *("agents_llm_calls_total", "circuit_opened_total", "privacy_sagas_total"),
        *("db_slow_queries_total", "redis_command_errors_total"),
    ],
)
def test_names_with_known_prefixes_are_allowed(name: str, metrics: Metrics) -> None:
    metrics.counter(name, "Allowed.").inc()
    assert value(metrics, name) == 1


def test_the_http_histogram_has_the_standard_name(metrics: Metrics) -> None:
    metrics.histogram("http_server_request_duration_seconds", "Requests.").observe(0.01)
    assert value(metrics, "http_server_request_duration_seconds_count") == 1


@pytest.mark.parametrize("name", ["jobs_total", "msaas_total_", "Msaas_x_total", "http_x_total"])
def test_other_names_are_refused(name: str, metrics: Metrics) -> None:
    with pytest.raises(InvalidMetric):
        metrics.counter(name, "Refused.")


def test_a_counter_ends_in_total(metrics: Metrics) -> None:
    with pytest.raises(InvalidMetric, match="_total"):
        metrics.counter("msaas_messages", "Refused.")


@pytest.mark.parametrize("label", ["service", "environment"])
def test_labels_of_the_registry_cannot_be_declared(label: str, metrics: Metrics) -> None:
    with pytest.raises(InvalidMetric, match=label):
        metrics.gauge("msaas_topic_depth", "Depth.", (label,))


async def test_a_circuit_breaker_is_exported_from_its_first_state(
    metrics: Metrics, fake_clock: FakeClock
) -> None:
    policy = BreakerPolicy(consecutive_failures=1)
    breaker = Breaker("stripe", policy, fake_clock, on_change=circuit_state_listener(metrics))
    assert value(metrics, "circuit_state", target="stripe") == 0
    assert value(metrics, "circuit_opened_total", target="stripe") == 0
    with pytest.raises(TimeoutError):
        async with breaker:
            raise TimeoutError
    assert value(metrics, "circuit_state", target="stripe") == 2
    assert value(metrics, "circuit_opened_total", target="stripe") == 1
    await fake_clock.advance(30)
    async with breaker:
        assert value(metrics, "circuit_state", target="stripe") == 1
