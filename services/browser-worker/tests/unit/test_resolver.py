"""A name that is not answered does not delay others."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from msaas.browser_worker.egress.resolver import Resolver
from msaas.testing import wait_until

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


class FakeGetaddrinfo:
    """Answers at once, never, or that the name does not exist."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.released = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.hosts.append(host)
        if host == "silent.test":
            self.released.wait(10)
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return FOUND


@pytest.fixture
def getaddrinfo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGetaddrinfo]:
    names = FakeGetaddrinfo()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.released.set()


async def cancel_all(lookups: list[asyncio.Task[Any]]) -> None:
    for task in lookups:
        task.cancel()
    await asyncio.gather(*lookups, return_exceptions=True)


async def test_unanswered_lookups_do_not_block_the_loops_threads(
    getaddrinfo: FakeGetaddrinfo,
) -> None:
    resolver = Resolver()
    lookups = [asyncio.create_task(resolver.resolve("silent.test")) for _ in range(60)]
    await wait_until(lambda: len(getaddrinfo.hosts) == 60)
    async with asyncio.timeout(5):
        assert await resolver.resolve("quick.test") == ["192.0.2.1"]
        assert await asyncio.get_running_loop().run_in_executor(None, lambda: "free") == "free"
    await cancel_all(lookups)


async def test_a_cancelled_lookup_keeps_its_slot_until_its_thread_ends(
    getaddrinfo: FakeGetaddrinfo,
) -> None:
    resolver = Resolver(max_concurrent=2)
    lookups = [asyncio.create_task(resolver.resolve("silent.test")) for _ in range(2)]
    await wait_until(lambda: len(getaddrinfo.hosts) == 2)
    await cancel_all(lookups)
    third = asyncio.create_task(resolver.resolve("quick.test"))
    answered, _ = await asyncio.wait({third}, timeout=0.2)
    assert not answered
    getaddrinfo.released.set()
    assert await third == ["192.0.2.1"]
    assert getaddrinfo.hosts[-1] == "quick.test"


async def test_lookup_errors_are_raised(getaddrinfo: FakeGetaddrinfo) -> None:
    resolver = Resolver(max_concurrent=1)
    for _ in range(2):  # the first has released its slot
        with pytest.raises(socket.gaierror):
            await resolver.resolve("unknown.test")
