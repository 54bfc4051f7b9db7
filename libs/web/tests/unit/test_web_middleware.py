"""What the middleware adds to every response, and which requests it refuses."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from msaas.telemetry import Metrics, shutdown_tracing, start_tracing
from msaas.web.middleware.security_headers import HEADERS

JSON = {"content-type": "application/json"}
BODY_LIMIT = 2_000


async def test_a_correlation_id_is_made_kept_or_replaced(client: httpx.AsyncClient) -> None:
    made = (await client.get("/cars/1")).headers["x-correlation-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)
    given = {"x-correlation-id": "click-7:a.b_c"}
    assert (await client.get("/cars/1", headers=given)).headers.get_list("x-correlation-id") == [
        "click-7:a.b_c"
    ]
    for hostile in ("", "a b", 'a"}', "a" * 129, "é"):
        headers = {b"x-correlation-id": hostile.encode()}
        answer = await client.get("/cars/1", headers=headers)
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-correlation-id"])


async def test_the_correlation_id_is_in_the_lines_of_the_request_and_not_after_it(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        await client.get("/cars/1?token=planted-secret", headers={"x-correlation-id": "abc"})
    assert [entry["event"] for entry in logs] == ["car_read", "request_served"]
    assert {entry["correlation_id"] for entry in logs} == {"abc"}
    assert structlog.contextvars.get_contextvars() == {}
    served = logs[-1]
    assert (served["method"], served["route"], served["status"]) == (
        "GET",
        "/api/v1/cars/{number}",
        200,
    )
    assert "planted-secret" not in str(logs)


@pytest.mark.parametrize(("sample_ratio", "flags"), [(0.0, "01"), (1.0, "01"), (1.0, "00")])
async def test_a_client_does_not_decide_whether_its_request_is_sampled(
    client: httpx.AsyncClient, sample_ratio: float, flags: str
) -> None:
    exporter = InMemorySpanExporter()
    start_tracing("web", "test", exporter=exporter, sample_ratio=sample_ratio)
    trace_id = "a" * 32
    try:
        headers = {"traceparent": f"00-{trace_id}-{'b' * 16}-{flags}"}
        assert (await client.get("/cars/1", headers=headers)).status_code == 200
    finally:
        shutdown_tracing()
    spans = [span for span in exporter.get_finished_spans() if span.name == "http.request"]
    assert len(spans) == sample_ratio
    for recorded in spans:
        assert recorded.context is not None
        assert f"{recorded.context.trace_id:032x}" != trace_id
        linked = [f"{link.context.trace_id:032x}" for link in recorded.links]
        assert linked == ([trace_id] if flags == "01" else [])


@pytest.mark.parametrize("path", ["/cars/1", "/nowhere", "/errors/crash", "/events"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    for name, value in HEADERS:
        assert answer.headers[name.decode()] == value.decode()
    assert "server" not in answer.headers


async def test_requests_are_measured_by_template_and_unmatched_routes_share_one_series(
    client: httpx.AsyncClient, metrics: Metrics
) -> None:
    for path in ("/cars/1", "/cars/2", "/no/1", "/no/2", "/errors/crash"):
        await client.get(path)
    await client.request("BREW", "/cars/1")
    text = metrics.render().decode()
    found = re.findall(r"http_server_request_duration_seconds_count\{(.*)\} (\S+)", text)
    counted = {
        tuple(re.findall(r'(?:method|route|status)="(.*?)"', labels)): float(number)
        for labels, number in found
    }
    assert counted == {
        ("GET", "/api/v1/cars/{number}", "200"): 2,
        ("GET", "unmatched", "404"): 2,
        ("GET", "/api/v1/errors/{name}", "500"): 1,
        ("other", "/api/v1/cars/{number}", "405"): 1,
    }


async def test_a_large_body_is_refused_by_its_declared_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/raw", content=b"a" * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


@pytest.mark.parametrize("headers", [{}, JSON])
async def test_a_large_body_is_refused_as_it_streams_in(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"a" * 100

    answer = await client.post("/raw", content=stream(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


async def test_a_body_at_the_limit_passes(client: httpx.AsyncClient) -> None:
    answer = await client.post("/raw", content=b"a" * BODY_LIMIT)
    assert answer.json() == {"size": BODY_LIMIT}


@pytest.mark.parametrize("length", ["-1", "ten", "9" * 30])
async def test_a_content_length_that_lies_is_refused(
    client: httpx.AsyncClient, length: str
) -> None:
    answer = await client.post("/raw", headers={"content-length": length})
    assert answer.status_code in {400, 413}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip")],
)
async def test_json_is_compressed(app: FastAPI, accepted: str, coding: str) -> None:
    plain = await call(app, "/api/v1/large", b"identity")
    encoded = await call(app, "/api/v1/large", accepted.encode())
    assert encoded.headers["content-encoding"] == coding
    assert encoded.headers["vary"] == "accept-encoding"
    assert int(encoded.headers["content-length"]) < len(plain.content)
    assert encoded.json() == plain.json()


@pytest.mark.parametrize("path", ["/cars/1", "/events"])
async def test_what_is_small_or_streamed_is_not_compressed(
    client: httpx.AsyncClient, path: str
) -> None:
    async with client.stream("GET", path) as answer:
        assert "content-encoding" not in answer.headers


async def call(app: FastAPI, path: str, accepted: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        return await client.get(path, headers={b"accept-encoding": accepted})


async def test_a_slow_request_is_ended_and_an_event_stream_is_not(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/slow")
    assert (answer.status_code, answer.json()["code"]) == (504, "command_timeout")
    assert (await client.get("/events")).text.count("data:") == 3
