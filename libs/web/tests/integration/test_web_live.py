"""The application behind a real uvicorn on loopback."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from libs.web.tests.conftest import LiveServer

from msaas.web.server import ProblemHttpProtocol

BODY_LIMIT = 2_000


async def test_lifespan_state_reaches_the_endpoint(live: LiveServer) -> None:
    assert (await live.client.get("/answer")).json() == 42


async def test_no_answer_names_its_server_or_clock(live: LiveServer) -> None:
    headers = (await live.client.get("/cars/1")).headers
    assert "server" not in headers
    assert "date" not in headers


async def test_a_crash_in_mid_answer_cuts_the_connection_and_the_next_request_is_served(
    live: LiveServer,
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await live.client.get("/half")
    assert (await live.client.get("/cars/1")).status_code == 200


async def test_a_crash_leaves_the_process_serving(live: LiveServer) -> None:
    for name in ("crash", "exit"):
        assert (await live.client.get(f"/errors/{name}")).status_code == 500
    assert (await live.client.get("/cars/1")).status_code == 200


async def test_a_problem_answers_head_without_a_body(live: LiveServer) -> None:
    answer = await live.client.head("/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_large_body_is_refused_and_the_connection_lives_on(live: LiveServer) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"a" * 1_000

    assert (await live.client.post("/raw", content=b"a" * 500_000)).status_code == 413
    assert (await live.client.post("/raw", content=stream())).status_code == 413
    chunked_json = {"content-type": "application/json"}
    answer = await live.client.post("/raw", content=stream(), headers=chunked_json)
    assert answer.json()["code"] == "payload_too_large"
    assert (await live.client.get("/cars/1")).status_code == 200


@pytest.mark.parametrize("declared", [b"transfer-encoding: chunked", b"content-length: 9"])
async def test_a_read_is_answered_before_the_body_that_a_client_sends_with_it(
    live: LiveServer, declared: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*live.address)
    writer.write(b"GET /api/v1/cars/1 HTTP/1.1\r\nhost: a\r\n" + declared + b"\r\n\r\n")
    # Without an end of the body, only the timeout of the request would answer, with a 504.
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_events_arrive_one_by_one_and_uncompressed(live: LiveServer) -> None:
    async with live.client.stream("GET", "/events") as answer:
        assert "content-encoding" not in answer.headers
        chunks = [chunk async for chunk in answer.aiter_raw()]
    assert len(chunks) == 3


async def test_json_is_compressed_over_the_network(live: LiveServer) -> None:
    answer = await live.client.get("/large", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == {"text": "a" * 5_000}


GARBAGE = [
    b"\x16\x03\x01\x02\x00",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: ten\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nbad header: 1\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", GARBAGE)
async def test_what_is_no_http_is_a_problem_too(live: LiveServer, request_bytes: bytes) -> None:
    answer = await live.send_bytes(request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert orjson.loads(body)["code"] == "malformed"


async def test_a_websocket_upgrade_is_an_ordinary_request(live: LiveServer) -> None:
    answer = await live.send_bytes(
        b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_a_head_that_never_ends_is_not_waited_for(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", 0.05)
    whole = b"GET /api/v1/cars/1 HTTP/1.1\r\nhost: web\r\n\r\n"
    for sent in (b"", b"GET / HTTP/1.1\r\nhost: we"):
        assert await live.send_bytes(sent) == b""
    answer = await live.send_bytes(whole + b"GET / HTTP/1.1\r\nhost")
    assert answer.count(b"HTTP/1.1 200") == 1


async def test_a_slow_answer_is_waited_for_longer_than_a_head(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", 0.05)
    assert (await live.client.get("/events")).text.count("data:") == 3
