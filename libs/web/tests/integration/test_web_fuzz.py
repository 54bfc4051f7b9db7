"""For any input bytes the server returns a valid response or a problem, and keeps serving."""

import json
import re
from collections.abc import Iterator

import httpx
import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from libs.web.tests.conftest import LiveServer

from msaas.contracts import PROBLEMS

PATHS = st.sampled_from(["/cars", "/cars/1", "/anything", "/raw", "/nowhere", "/errors/quota"])
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
HEADER_NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12) | st.sampled_from(
    ["content-type", "content-encoding", "accept-encoding", "x-correlation-id", "traceparent"]
)
HEADER_VALUES = st.binary(max_size=40) | st.sampled_from([b"application/json", b"text/plain"])
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
).map(lambda value: json.dumps(value).encode())
BODIES = st.binary(max_size=3_000) | JSON
LINES = st.lists(
    st.binary(max_size=60) | st.sampled_from([b"GET / HTTP/1.1", b"host: a", b"content-length: 3"]),
    max_size=6,
).map(b"\r\n".join)
LENGTH = re.compile(rb"(?im)^content-length: (\d+)")

fuzz = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_sound(answer: httpx.Response) -> bool:
    if answer.status_code < 400:
        return True
    typed = answer.headers["content-type"] == "application/problem+json"
    return typed and (not answer.content or answer.json()["code"] in PROBLEMS)


def split_answers(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split the responses that came over one connection."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        length = int((LENGTH.findall(head) or [0])[0])
        yield head, data[:length]
        data = data[length:]


@fuzz
@given(method=METHODS, path=PATHS, headers=HEADERS, body=BODIES)
async def test_no_request_is_answered_with_anything_else(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: list[tuple[str, bytes]],
    body: bytes,
) -> None:
    raw = [(name.encode(), value) for name, value in headers]
    answer = await client.request(method, path, headers=raw, content=body)
    assert is_sound(answer)
    assert answer.status_code < 500


@fuzz
@given(body=JSON)
async def test_json_is_taken_whole_or_refused(client: httpx.AsyncClient, body: bytes) -> None:
    content = b'{"value": ' + body + b"}"
    headers = {"content-type": "application/json"}
    answer = await client.post("/anything", content=content, headers=headers)
    assert is_sound(answer)
    if answer.status_code == 200:
        assert orjson.loads(answer.content) == orjson.loads(content)
    else:
        assert answer.status_code in {400, 413}


@settings(fuzz, max_examples=50)
@given(sent=LINES)
@example(sent=b"GET / HTTP/1.1\r\n\r\nGET /\r\n\r\n")
async def test_no_bytes_on_the_socket_upset_the_server(live: LiveServer, sent: bytes) -> None:
    for head, body in split_answers(await live.send_bytes(sent, and_close=True)):
        assert head.startswith(b"HTTP/1.1 ")
        if b"application/problem+json" in head:
            assert orjson.loads(body)["code"] in PROBLEMS
    assert (await live.client.get("/cars/1")).status_code == 200
