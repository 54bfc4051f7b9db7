"""Hostile connections: they are opened and held, and the server has to end all of them."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Final

import psutil

from msaas.dev.abuse.attack import Attack, Bound, Send, Stream, Target, read_status
from msaas.dev.workspace import ROOT
from msaas.testing import wait_until

CONNECTIONS_PER_CASE: Final = 10
CLOSING_SECONDS: Final = 180.0
"""More than the 75 s of an idle connection, on a machine that pauses."""

_BOUND: Final = Bound(cpu_seconds=0.4, megabytes=96)
_HEAD: Final = b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999\r\n"
# Everybody may read these, the largest answers that there are.
_DOCS: Final = ROOT / "services/gateway/src/msaas/gateway/entrypoints/http/docs"
_LARGE: Final = {"openapi.json": 80, **{path.stem: 8 for path in _DOCS.glob("*.js.gz")}}
_HELLO: Final = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


async def _send_one_byte(stream: Stream, random: Random, _: str) -> None:
    head = b"GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\n"
    stream[1].write(head[: random.randint(1, len(head))])


async def _send_after_early_answer(stream: Stream, random: Random, _: str) -> None:
    """Announce a body that the server refuses unread, and then send a byte of it."""
    stream[1].write(_HEAD + b"\r\n")
    await read_status(stream[0])
    stream[1].write(b"[" * random.randint(1, 100))


async def _send_unfinished_body(stream: Stream, random: Random, token: str) -> None:
    stream[1].write(_HEAD + f"authorization: {token}\r\n\r\n".encode())
    stream[1].write(b"[" * random.randint(0, 500))


async def _read_nothing(stream: Stream, random: Random, _: str) -> None:
    """Ask for more answers, one behind the other, than the kernel takes; read none of them."""
    name, least = random.choice(list(_LARGE.items()))
    request = f"GET /docs/{name} HTTP/1.1\r\nhost: localhost\r\n\r\n"
    stream[1].write(request.encode() * random.randint(least, 2 * least))


async def _send_other_protocol(stream: Stream, random: Random, _: str) -> None:
    garbage = random.randbytes(random.randint(1, 4_000))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    stream[1].write(random.choice([_HELLO, _HELLO + garbage, garbage, preface, b"\r\n" * 2_000]))


async def _send_nothing(_stream: Stream, _random: Random, _token: str) -> None:
    """Leave the connection idle from the start."""


Kind = Callable[[Stream, Random, str], Awaitable[None]]


def _make_sender(name: str, kind: Kind) -> Send:
    async def send(target: Target, random: Random, cases: int) -> Sequence[str]:
        for _ in range(cases * CONNECTIONS_PER_CASE):
            stream = await target.connect()
            target.held.append((name, stream))
            with suppress(ConnectionError):
                await kind(stream, random, target.token)
        return []

    return send


CONNECTIONS: Final = [
    Attack(name, "gateway", _BOUND, _make_sender(name, kind))
    for name, kind in {
        "part of a head, then silence": _send_one_byte,
        "early answer, then a byte": _send_after_early_answer,
        "body that never ends": _send_unfinished_body,
        "answers that are not read": _read_nothing,
        "TLS and other protocols": _send_other_protocol,
        "silent connections": _send_nothing,
    }.items()
]


async def find_open_connections(target: Target) -> Sequence[str]:
    """Wait until the server has ended every held connection; name those that it has not.

    The server's descriptors are listed, since a client that does not read sees no closing.
    """
    names = {writer.get_extra_info("sockname")[1]: name for name, (_, writer) in target.held}

    def list_open() -> set[int]:
        return names.keys() & _list_clients(target.gateway_pid)

    with suppress(AssertionError):
        await wait_until(lambda: not list_open(), timeout=CLOSING_SECONDS)
    left = [names[port] for port in list_open()]
    for _, (_, writer) in target.held:
        writer.close()
    target.held.clear()
    return [f"{left.count(name)} connections are still open: {name}" for name in sorted(set(left))]


def _list_clients(pid: int) -> set[int]:
    """List the ports of all clients that a process is connected with."""
    return {each.raddr.port for each in psutil.Process(pid).net_connections("tcp") if each.raddr}
