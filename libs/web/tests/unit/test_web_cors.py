"""Pages of allowed origins may call the API; others get no CORS headers."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.middleware import Middleware

from msaas.telemetry import Metrics
from msaas.web import Cors, create_app

OURS = "https://app.example.com"
PREFLIGHT = {"access-control-request-method": "POST"}


@pytest.fixture
async def api(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    cors = Middleware(Cors, [OURS], ["authorization", "content-type"], ["location"])
    app = create_app(title="t", metrics=metrics, cors=[cors])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        yield client


async def test_an_allowed_origin_gets_the_allowed_and_exposed_headers(
    api: httpx.AsyncClient,
) -> None:
    preflight = await api.options("/x", headers=PREFLIGHT | {"origin": OURS})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == OURS
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "x-correlation-id" in preflight.headers
    answer = await api.get("/x", headers={"origin": OURS})
    assert answer.json()["code"] == "not_found"
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["access-control-expose-headers"] == "location"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "http://app.example.com", f"{OURS}.evil.test", f"{OURS}:8443", "null"],
)
async def test_another_origin_gets_no_cors_headers(api: httpx.AsyncClient, origin: str) -> None:
    for answer in (
        await api.options("/x", headers=PREFLIGHT | {"origin": origin}),
        await api.get("/x", headers={"origin": origin}),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_caches_keep_origins_apart(api: httpx.AsyncClient) -> None:
    for headers in ({}, {"origin": OURS}, {"origin": "https://evil.test"}):
        answer = await api.get("/x", headers=headers)
        assert "origin" in answer.headers.get_list("vary")
