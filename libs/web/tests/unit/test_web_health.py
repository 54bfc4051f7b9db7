"""Liveness, readiness and metrics on the internal port."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from msaas.telemetry import Metrics
from msaas.testing import FakeClock
from msaas.web import Health, create_internal_app


class Dependency:
    """Succeeds, fails or hangs, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.hangs = False

    async def __call__(self) -> None:
        self.calls += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def database() -> Dependency:
    return Dependency()


@pytest.fixture
def health(database: Dependency, fake_clock: FakeClock) -> Health:
    checks = {"db": database, "redis": Dependency()}
    return Health(checks, check_timeout=0.02, cache_seconds=1.0, clock=fake_clock)


@pytest.fixture
async def internal(health: Health, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_internal_app(health, metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        yield client


async def test_a_process_lives_before_it_is_ready(
    internal: httpx.AsyncClient, health: Health
) -> None:
    assert (await internal.get("/health/live")).json() == {"status": "ok"}
    starting = await internal.get("/health/ready")
    assert (starting.status_code, starting.json()["status"]) == (503, "starting")
    health.start()
    ready = await internal.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ok", "checks": {"db": "ok", "redis": "ok"}}


async def test_a_draining_process_lives_and_is_not_ready(
    internal: httpx.AsyncClient, health: Health
) -> None:
    health.start()
    health.drain()
    assert (await internal.get("/health/live")).status_code == 200
    draining = await internal.get("/health/ready")
    assert (draining.status_code, draining.json()["status"]) == (503, "draining")


async def test_one_failing_check_is_named_without_its_reason(
    internal: httpx.AsyncClient, health: Health, database: Dependency
) -> None:
    health.start()
    database.error = RuntimeError("planted-secret")
    answer = await internal.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "checks": {"db": "failed", "redis": "ok"}}
    assert "planted-secret" not in answer.text


async def test_a_hanging_check_is_given_up(
    internal: httpx.AsyncClient, health: Health, database: Dependency
) -> None:
    health.start()
    database.hangs = True
    answer = await internal.get("/health/ready")
    assert answer.json()["checks"] == {"db": "timeout", "redis": "ok"}


async def test_many_probes_run_a_check_once_a_second(
    internal: httpx.AsyncClient, health: Health, database: Dependency, fake_clock: FakeClock
) -> None:
    health.start()
    await asyncio.gather(*(internal.get("/health/ready") for _ in range(20)))
    assert database.calls == 1
    await fake_clock.advance(1.0)
    await internal.get("/health/ready")
    assert database.calls == 2


async def test_metrics_are_exposed(internal: httpx.AsyncClient, metrics: Metrics) -> None:
    metrics.counter("msaas_examples_total", "Examples.").inc()
    answer = await internal.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'msaas_examples_total{environment="test",service="web-tests"} 1.0' in answer.text


async def test_an_unknown_path_is_a_problem_here_too(internal: httpx.AsyncClient) -> None:
    answer = await internal.get("/secrets")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    wrong = await internal.post("/metrics")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
