"""Keys from a real server that is slow, moved, broken or malicious."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from structlog.testing import capture_logs

from msaas.auth import JwksUnavailable, TokenVerifier, Unauthenticated
from msaas.auth.jwks import MAX_BYTES
from msaas.auth.jwks_client import JwksClient
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, wait_until

ISSUER = "https://project.example.com/auth/v1"
OLD = ECKey.generate_key("P-256", {"kid": "old"})
NEW = ECKey.generate_key("P-256", {"kid": "new"})
ENDLESS = b" " * 100_000
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def publish(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def public(key: ECKey) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def answer(body: bytes, *, status: str = "200 OK", head: str = "") -> Answer:
    async def write(writer: asyncio.StreamWriter) -> None:
        length = f"content-length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{length}{head}\r\n".encode() + body)

    return write


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)  # a response that takes very long to end


async def pour(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"%x\r\n%s\r\n" % (len(ENDLESS), ENDLESS))
        await writer.drain()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


class KeyServer:
    """Returns the configured response; `/moved`, its redirect target, returns valid keys."""

    def __init__(self) -> None:
        self.requested_paths: list[str] = []
        self.answer = answer(publish(public(OLD)))
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}/keys"

    async def stop(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._open.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requested_paths.append(head.split()[1].decode())
                await self.answer(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[KeyServer]:
    made = KeyServer()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def fetch(server: KeyServer) -> AsyncIterator[JwksClient]:
    made = JwksClient(server.url)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def verifier(server: KeyServer, fake_clock: FakeClock) -> AsyncIterator[TokenVerifier]:
    metrics = Metrics("web", "test")
    made = TokenVerifier(server.url, ISSUER, "authenticated", metrics=metrics, clock=fake_clock)
    yield made
    await made.close()


def sign(clock: FakeClock, key: ECKey = OLD) -> str:
    now = int(clock.now().timestamp())
    claims = {
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": "0192f0c1-2f6e-7cc3-98c4-dc0c0c07398f",
        "role": "authenticated",
        "iat": now,
        "exp": now + 7200,
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)


async def ends(call: Awaitable[object], clock: FakeClock) -> object:
    """Advance the clock of the retries while the network takes real time."""
    task = asyncio.ensure_future(call)

    async def is_done() -> bool:
        await clock.advance(0.1)
        return task.done()

    await wait_until(is_done)
    return await task


WRONG: dict[str, Answer] = {
    "hangs": hang,
    "drips": drip,
    "pours": pour,
    "hangs up": hang_up,
    "says nothing in HTTP": answer(b"", status="\r\n"),
    "500": answer(b"{}", status="500 Internal Server Error"),
    "404": answer(b"{}", status="404 Not Found"),
    "204": answer(b"", status="204 No Content"),
    "too large": answer(publish(public(OLD)).ljust(MAX_BYTES + 1)),
    "redirect": answer(b"", status="302 Found", head="location: /moved\r\n"),
    "permanent redirect": answer(b"", status="308 Moved", head="location: /moved\r\n"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_anything_but_a_small_answer_in_time_is_no_answer(
    server: KeyServer, fetch: JwksClient, wrong: str
) -> None:
    assert await fetch() == publish(public(OLD))
    server.answer = WRONG[wrong]
    with pytest.raises(DependencyUnavailable):
        await fetch()
    assert set(server.requested_paths) == {"/keys"}


async def test_a_refused_connection_counts_as_no_answer(
    server: KeyServer, fetch: JwksClient
) -> None:
    await server.stop()
    with pytest.raises(DependencyUnavailable) as raised:
        await fetch()
    assert raised.value.context == {"target": "jwks"}


LIES: dict[str, Answer] = {
    "html": answer(b"<html>sign in to this network</html>", head="content-type: text/html\r\n"),
    "compressed": answer(gzip.compress(publish(public(NEW))), head="content-encoding: gzip\r\n"),
    "private": answer(publish(dict(NEW.as_dict(private=True)))),
    "symmetric": answer(
        publish(public(NEW), dict(OctKey.generate_key(256, {"kid": "s"}, private=True).as_dict()))
    ),
    "wrong kind": answer(publish(public(NEW), {**public(NEW), "kid": "x", "kty": "RSA"})),
    "wrong algorithm": answer(publish(public(NEW), {**public(NEW), "kid": "x", "alg": "HS256"})),
    "thousands": answer(publish(*({"kty": "OKP", "kid": str(n)} for n in range(2000)))),
    "twice": answer(publish(public(NEW), public(NEW))),
    "none": answer(publish()),
    "redirect": WRONG["redirect"],
    "too large": WRONG["too large"],
    "hangs up": WRONG["hangs up"],
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_refused_and_the_old_keys_stay(
    server: KeyServer, verifier: TokenVerifier, fake_clock: FakeClock, lie: str
) -> None:
    await verifier.verify(sign(fake_clock))
    server.answer = LIES[lie]
    await fake_clock.advance(300)
    with capture_logs() as logs:
        await verifier.verify(sign(fake_clock))
        with pytest.raises(JwksUnavailable):
            await ends(verifier.verify(sign(fake_clock, NEW)), fake_clock)
    assert "jwks_fetch_failed" in {line["event"] for line in logs}
    assert await verifier.verify(sign(fake_clock))
    assert set(server.requested_paths) == {"/keys"}
    server.answer = answer(publish(public(OLD), public(NEW)))
    await fake_clock.advance(60)
    assert await ends(verifier.verify(sign(fake_clock, NEW)), fake_clock)


async def test_after_an_hour_without_keys_all_tokens_are_refused_until_keys_return(
    server: KeyServer, verifier: TokenVerifier, fake_clock: FakeClock
) -> None:
    token = sign(fake_clock)
    await verifier.verify(token)
    server.answer = WRONG["500"]
    await fake_clock.advance(3590)
    assert await verifier.verify(token)
    await fake_clock.advance(11)
    with pytest.raises(JwksUnavailable):
        await ends(verifier.verify(token), fake_clock)
    server.answer = answer(publish(public(OLD)))
    await fake_clock.advance(60)
    assert await ends(verifier.verify(token), fake_clock)


async def test_keys_are_rotated_without_an_outage(
    server: KeyServer, verifier: TokenVerifier, fake_clock: FakeClock
) -> None:
    old, new = sign(fake_clock), sign(fake_clock, NEW)
    server.answer = answer(publish(public(OLD), public(NEW)))  # published before it is used
    await verifier.verify(old)
    for published in ([NEW, OLD], [NEW]):
        assert await verifier.verify(new)
        assert await verifier.verify(old)
        server.answer = answer(publish(*map(public, published)))
        await fake_clock.advance(300)
        await verifier.ping()
        expected_count = len(server.requested_paths) + 1
        await wait_until(
            lambda expected_count=expected_count: len(server.requested_paths) == expected_count
        )

    async def is_gone() -> bool:
        try:
            await verifier.verify(old)
        except Unauthenticated:
            return True
        return False

    await wait_until(is_gone)
    assert await verifier.verify(new)


async def test_a_verifier_that_is_closed_amid_a_fetch_leaves_nothing_behind(
    server: KeyServer, verifier: TokenVerifier, fake_clock: FakeClock
) -> None:
    server.answer = hang
    call = asyncio.create_task(verifier.verify(sign(fake_clock)))
    await wait_until(lambda: server.requested_paths)
    await verifier.close()
    with pytest.raises(JwksUnavailable):
        await call
