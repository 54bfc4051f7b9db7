"""Only unambiguous requests are accepted: one host, a plain path, headers of limited length."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from msaas.telemetry import Metrics
from msaas.web import create_app
from msaas.web.middleware.request_target import validate_path

HOSTS = ("api.example.com", "*.tenants.example.com", "[::1]")


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        yield client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 404),
        ("API.example.com:8443", 404),
        ("a.tenants.example.com", 404),
        ("[::1]:8000", 404),
        ("tenants.example.com", 400),
        ("api.example.com.evil.test", 400),
        ("evil.test", 400),
        ("api.example.com@evil.test", 400),
        ("", 400),
    ],
)
async def test_only_the_named_hosts_are_served(metrics: Metrics, host: str, status: int) -> None:
    async with calling(create_app(title="t", metrics=metrics, hosts=HOSTS)) as client:
        answer = await client.get("/", headers={"host": host})
    assert answer.status_code == status
    assert "evil" not in answer.text


async def test_without_names_every_well_formed_host_is_served(client: httpx.AsyncClient) -> None:
    for host, status in (("anything.test:80", 200), ("10.0.0.1", 200), ("a b", 400), ("a/b", 400)):
        assert (await client.get("/cars/1", headers={"host": host})).status_code == status


async def test_two_hosts_are_one_too_many(client: httpx.AsyncClient) -> None:
    answer = await client.get("/cars/1", headers=[("host", "a.test"), ("host", "b.test")])
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    "path",
    [
        "/cars/%2e%2e/raw",
        "/cars/%2E",
        "/cars%2f1",
        "/cars%5C1",
        "//cars/1",
        "/cars//1",
        "/cars/1%0d%0ax",
        "/cars/%7f",
    ],
)
async def test_a_path_that_others_read_differently_is_malformed(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(f"http://web{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("path", [b"/a/../b", b"/a/./b", b"/..", b"/a\\b", b"/a b", b"/a\x7f"])
def test_a_raw_path_that_no_client_library_sends_is_malformed(path: bytes) -> None:
    with pytest.raises(Exception, match="path"):
        validate_path(path)


@pytest.mark.parametrize("path", [b"/", b"/a/b.json", b"/a/..b", b"/a/%20b", b"/a/%c3%a4", b"/a/"])
def test_a_plain_path_passes(path: bytes) -> None:
    validate_path(path)
    assert path.startswith(b"/")


async def test_a_head_of_many_lines_is_refused(client: httpx.AsyncClient) -> None:
    headers = {f"x-{number}": "1" for number in range(101)}
    assert (await client.get("/cars/1", headers=headers)).status_code == 400
