"""Rare cases: other origins, odd times, an older owner, no database, a stalled reader."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from services.gateway.tests.conftest import (
    FakeIssuer,
    FakeJobsService,
    FakeRefusal,
    OpenApiChecker,
    OpenGateway,
    ReadMetric,
    RunningGateway,
    SignIn,
)

from msaas.gateway.settings import Settings
from msaas.testing import FaultProxy, wait_until

ORIGIN = "http://app.test"


async def test_the_same_key_again_is_answered_with_the_first_job(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    body = {"task_type": "echo", "params": {"message": "hello"}}
    answers = [
        await user.request("POST", "/jobs", json=body, headers={"idempotency-key": "k"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
        "1700000000",
        1_700_000_000,
    ],
)
async def test_a_time_that_cannot_be_stored_is_refused(
    fake_jobs: FakeJobsService, sign_in: SignIn, moment: object
) -> None:
    user = await sign_in()
    for field in ("run_at", "deadline_at"):
        answer = await user.submit(**{field: moment})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
    answer = await user.request("GET", "/jobs", params={"created_after": moment})
    assert answer.status_code == 422
    assert fake_jobs.commands == []


@pytest.mark.parametrize(
    ("code", "status", "expected_code"),
    [
        ("not_found", 403, "forbidden"),
        ("validation_failed", 422, "validation_failed"),
        ("plan_forbidden", 403, "plan_forbidden"),
        ("payload_too_large", 413, "payload_too_large"),
        ("conflict", 503, "overloaded"),
        ("something_new", 500, "internal"),
    ],
)
async def test_an_owner_of_another_version_refuses_a_job_and_the_user_learns_why(
    fake_jobs: FakeJobsService, sign_in: SignIn, code: str, status: int, expected_code: str
) -> None:
    user = await sign_in()
    fake_jobs.refusal = FakeRefusal(code)
    vars(fake_jobs.refusal)["retryable"] = status == 503
    answer = await user.submit()
    assert (answer.status_code, answer.json()["code"]) == (status, expected_code)
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/me?x=%00", {}, 400),
        ("GET", "/jobs?task_type=%00", {}, 400),
        ("POST", "/jobs/{id}/cancel", {"content": b"{", "type": "application/json"}, 400),
        ("POST", "/jobs/{id}/cancel", {"content": b"x" * (1024 * 1024 + 1)}, 413),
        ("POST", "/jobs/{id}/cancel", {"content": b"x", "encoding": "gzip"}, 415),
    ],
)
async def test_what_no_route_looks_at_is_refused_all_the_same(
    sign_in: SignIn, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    user = await sign_in()
    headers = {f"content-{name}": value for name, value in options.items() if name != "content"}
    answer = await user.request(
        method,
        path.replace("{id}", str(uuid4())),
        content=options.get("content"),
        headers=headers,
    )
    assert answer.status_code == status


async def test_cancelling_an_unknown_job_is_answered_as_reading_one(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    fake_jobs.refusal = FakeRefusal("not_found")
    bodies = [
        (await user.request("POST", f"/jobs/{uuid4()}/cancel")).json(),
        (await user.request("GET", f"/jobs/{uuid4()}")).json(),
    ]
    for body in bodies:
        for name in ("instance", "correlation_id", "detail"):  # the detail comes from the owner
            body.pop(name)
    assert bodies[0] == bodies[1]


async def test_another_origin_may_send_every_header_of_the_document(
    open_gateway: OpenGateway, gateway_settings: Settings
) -> None:
    settings = gateway_settings.model_copy(update={"cors_origins": (ORIGIN,)})
    _, url = await open_gateway(settings)
    allowed_headers = (
        "authorization,content-type,idempotency-key,if-none-match,last-event-id,x-client"
    )
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": allowed_headers,
    }
    async with httpx.AsyncClient(base_url=url, headers={"origin": ORIGIN}) as http:
        assert (await http.options("/api/v1/jobs", headers=preflight)).status_code == 200
        answer = await http.get("/api/v1/jobs")
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "etag" in answer.headers["access-control-expose-headers"]


async def test_without_postgres_every_read_is_a_503_and_comes_back(
    open_gateway: OpenGateway, gateway_settings: Settings, issuer: FakeIssuer, spec: OpenApiChecker
) -> None:
    names = ("database_url", "read_database_url")
    urls = {name: getattr(gateway_settings, name).get_secret_value() for name in names}
    async with FaultProxy(urls["database_url"]) as proxy:
        through = {name: SecretStr(proxy.url_for(url)) for name, url in urls.items()}
        _, url = await open_gateway(gateway_settings.model_copy(update=through))
        headers = {"authorization": f"Bearer {issuer.token(uuid4())}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
            assert (await http.get("/api/v1/me")).status_code == 200
            await proxy.cut()
            for path in ("/me", "/jobs", f"/jobs/{uuid4()}", f"/jobs/{uuid4()}/attempts"):
                answer = await http.get(f"/api/v1{path}")
                spec.check(answer)
                assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            await proxy.restore()

            async def reads() -> bool:
                return (await http.get("/api/v1/jobs")).status_code == 200

            await wait_until(reads)


async def test_a_stalled_reader_gets_a_resync_and_is_disconnected(
    fake_jobs: FakeJobsService, sign_in: SignIn, gateway: RunningGateway, read_metric: ReadMetric
) -> None:
    user, url = await sign_in(), str(gateway.url)
    host, _, port = urlsplit(url).netloc.partition(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        lines = ["GET /api/v1/jobs/stream HTTP/1.1", "host: gateway", *_lines(user.headers)]
        reader.sendall("\r\n".join([*lines, "", ""]).encode())
        await wait_until(lambda: read_metric("msaas_sse_connections") == 1)
        while read_metric("msaas_sse_resyncs_total") == 0:
            await asyncio.gather(*(fake_jobs.publish_change(user.id, uuid4()) for _ in range(500)))
        reader.settimeout(20)
        data = await asyncio.to_thread(_read_all, reader)
    *_, last, _end = data.split(b"\n\n")
    assert b"event: resync" in last
    await wait_until(lambda: read_metric("msaas_sse_connections") == 0)


def _lines(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _read_all(reader: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += reader.recv(1 << 20)
    return data


async def test_submissions_and_refusals_are_counted(
    fake_jobs: FakeJobsService, sign_in: SignIn, read_metric: ReadMetric
) -> None:
    user = await sign_in()
    await user.submit()
    context = {"limit": 1, "used": 1, "reserved": 0, "upgrade_url": "/billing"}
    fake_jobs.refusal = FakeRefusal("quota_exceeded", **context, resets_at="2030-01-01T00:00:00Z")
    assert (await user.submit()).status_code == 402
    assert read_metric("msaas_jobs_submitted_total", task_type="echo", plan="FREE") == 1
    assert read_metric("msaas_quota_rejections_total", plan="FREE") == 1
