"""The pages of the gateway: its reference, and what each problem means."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from services.gateway.tests.conftest import FakeJobsService, OpenGateway, RunningGateway, SignIn

from msaas.dev.openapi import main as drawn
from msaas.gateway.settings import Settings


@pytest_asyncio.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        yield client


def test_the_document_that_is_shown_is_the_one_that_is_written() -> None:
    assert drawn(["--check"]) == 0


async def test_the_reference_and_all_that_it_needs_come_from_this_host(
    http: httpx.AsyncClient,
) -> None:
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    assert "://" not in page.text
    for path in ("/docs/scalar-1.46.4.js", "/docs/start.js", "/docs/openapi.json"):
        assert path in page.text + (await http.get("/docs/start.js")).text
        assert (await http.get(path)).status_code == 200


async def test_the_script_is_readable_with_and_without_compression(
    http: httpx.AsyncClient,
) -> None:
    plain = await http.get("/docs/scalar-1.46.4.js", headers={"accept-encoding": "identity"})
    packed = await http.get("/docs/scalar-1.46.4.js")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert plain.content == packed.content


async def test_a_problems_type_leads_to_its_page(http: httpx.AsyncClient) -> None:
    problem = (await http.get("/api/v1/me")).json()
    url = httpx.URL(f"{http.base_url}/api/v1/me").join(problem["type"])
    page = await http.get(url)
    assert page.headers["content-type"].startswith("text/html")
    assert problem["code"] in page.text


async def test_published_addresses_are_valid_behind_any_proxy(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    behind = {"host": "api.example.com", "x-forwarded-proto": "https"}
    body = {"task_type": "echo", "params": {"message": "hello"}}
    answer = await user.request("POST", "/jobs", headers=behind, json=body)
    location = answer.headers["location"]
    assert location == f"/api/v1/jobs/{answer.json()['id']}"
    assert "127.0.0.1" not in json.dumps(dict(answer.headers))


async def test_a_gateway_answers_to_its_own_names_alone(
    open_gateway: OpenGateway, gateway_settings: Settings
) -> None:
    names = {"allowed_hosts": ("api.example.com",)}
    _, url = await open_gateway(gateway_settings.model_copy(update=names))
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for host, status in (("api.example.com", 401), ("evil.test", 400)):
            answer = await http.get("/api/v1/me", headers={"host": host})
            assert answer.status_code == status
