"""A name that nobody answers for holds up nobody else."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from msaas.browser_worker.lookups import Lookups
from msaas.testing import wait_until

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


class NameServer:
    """Answers at once, never, or that there is no such name."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wakes = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        if host == "silent.test":
            self.wakes.wait(10)
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return FOUND


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    names = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.wakes.set()


async def give_up(asking: list[asyncio.Task[Any]]) -> None:
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_many_that_are_not_answered_leave_the_loop_its_threads(names: NameServer) -> None:
    lookups = Lookups()
    asking = [asyncio.create_task(lookups.find("silent.test")) for _ in range(60)]
    await wait_until(lambda: len(names.asked) == 60)
    async with asyncio.timeout(5):
        assert await lookups.find("quick.test") == ["192.0.2.1"]
        assert await asyncio.get_running_loop().run_in_executor(None, lambda: "free") == "free"
    await give_up(asking)


async def test_one_that_was_given_up_has_its_room_until_its_thread_is_back(
    names: NameServer,
) -> None:
    lookups = Lookups(at_once=2)
    asking = [asyncio.create_task(lookups.find("silent.test")) for _ in range(2)]
    await wait_until(lambda: len(names.asked) == 2)
    await give_up(asking)
    third = asyncio.create_task(lookups.find("quick.test"))
    answered, _ = await asyncio.wait({third}, timeout=0.2)
    assert not answered
    names.wakes.set()
    assert await third == ["192.0.2.1"]
    assert names.asked[-1] == "quick.test"


async def test_what_goes_wrong_is_raised(names: NameServer) -> None:
    lookups = Lookups(at_once=1)
    for _ in range(2):  # the first has given its room back
        with pytest.raises(socket.gaierror):
            await lookups.find("unknown.test")
