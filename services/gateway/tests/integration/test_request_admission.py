"""Who may not call a route is refused before the body is read, and gets no replay."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from services.gateway.tests.conftest import FakeJobsService, RunningGateway, SignIn

from msaas.contracts import MAX_DATA

JOB: dict[str, Any] = {"task_type": "echo", "params": {"message": "hello"}}


async def send_head_only(url: str, head: bytes) -> bytes:
    """Declare a body and never send it; return the status line."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(
        head + b"host: web\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n"
    )
    try:
        # The request's own timeout answers with a 504, so this ends in any case.
        return (await reader.readline()).strip()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"POST /api/v1/jobs HTTP/1.1", b"401"),
        (b"POST /api/v1/jobs HTTP/1.1\r\nauthorization: Bearer no-token", b"401"),
        (b"POST /api/v1/nowhere HTTP/1.1", b"404"),
        (b"POST /wp-login.php HTTP/1.1", b"404"),
        (b"PUT /api/v1/jobs HTTP/1.1", b"405"),
    ],
)
async def test_an_unknown_caller_is_answered_before_the_body_is_read(
    gateway: RunningGateway, line: bytes, status: bytes
) -> None:
    answer = await send_head_only(gateway.url, line + b"\r\n")
    assert answer.split()[1] == status


async def test_a_body_over_the_limit_is_refused_while_it_arrives_and_keeps_no_key(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * (MAX_DATA // 5)

    user, headers = await sign_in(), {"idempotency-key": uuid4().hex}
    chunked = headers | {"content-type": "application/json"}
    refused = await user.request("POST", "/jobs", content=stream(), headers=chunked)
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    accepted = await user.request("POST", "/jobs", json=JOB, headers=headers)
    assert accepted.status_code == 202
    assert "idempotent-replayed" not in accepted.headers


async def test_a_key_without_the_scope_gets_no_stored_response(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    user = await sign_in()
    made = await user.request("POST", "/api-keys", json={"name": "reads", "scopes": ["jobs:read"]})
    reading_key = {"authorization": f"Bearer {made.json()['key']}"}
    headers = {"idempotency-key": uuid4().hex}
    first = await user.request("POST", "/jobs", json=JOB, headers=headers)
    assert first.status_code == 202
    repeated = await user.request("POST", "/jobs", json=JOB, headers=headers | reading_key)
    assert repeated.status_code == 403
    assert "idempotent-replayed" not in repeated.headers
    assert first.json()["id"] not in repeated.text
    assert len(fake_jobs.commands) == 1
