"""Who is told that the wire may have lost its data, and how often."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from msaas.messaging import Messenger, WireUnavailable
from msaas.messaging.loop import Loop
from msaas.messaging.watchers import EpochWatcher
from msaas.testing import MemoryWire

Running = Callable[[Loop], AbstractAsyncContextManager[asyncio.Task[None]]]


class Listener:
    """Hears epochs, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.heard: list[str] = []
        self.failures = failures

    async def listen(self, epoch: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.heard.append(epoch)


@pytest.fixture
def watch(wire: MemoryWire, stand: Callable[..., Messenger]) -> Callable[..., EpochWatcher]:
    def watch(*listeners: Callable[[str], Awaitable[None]]) -> EpochWatcher:
        return EpochWatcher(stand(wire, "jobs").station, listeners)

    return watch


async def test_each_listener_is_told_once_for_each_epoch(
    wire: MemoryWire, watch: Callable[..., EpochWatcher], running: Running
) -> None:
    one, two = Listener(), Listener()
    async with running(watch(one.listen, two.listen)):
        await asyncio.sleep(60)
        assert len(one.heard) == 1
        wire.flush()
        await asyncio.sleep(60)
    assert len(set(one.heard)) == len(one.heard) == 2
    assert two.heard == one.heard


async def test_a_listener_that_fails_is_told_again_and_holds_back_no_other(
    watch: Callable[..., EpochWatcher], running: Running
) -> None:
    failing, after = Listener(failures=5), Listener()
    async with running(watch(failing.listen, after.listen)):
        await asyncio.sleep(0.01)
        assert (len(failing.heard), len(after.heard)) == (0, 1)
        await asyncio.sleep(60)
    assert failing.heard == after.heard
    assert len(after.heard) == 1


async def test_an_epoch_that_ends_before_a_failing_listener_took_it_is_told_no_more(
    wire: MemoryWire, watch: Callable[..., EpochWatcher]
) -> None:
    failing, other = Listener(failures=1), Listener()
    watcher = watch(failing.listen, other.listen)
    with pytest.raises(ValueError, match="not now"):
        await watcher.step()
    wire.flush()
    await watcher.step()
    assert failing.heard == other.heard[1:]


async def test_a_wire_that_comes_back_as_it_was_is_no_new_epoch(
    wire: MemoryWire, watch: Callable[..., EpochWatcher], running: Running
) -> None:
    listener = Listener()
    async with running(watch(listener.listen)):
        await asyncio.sleep(5)
        wire.fail_with(WireUnavailable(target="redis"))
        await asyncio.sleep(60)
        wire.fail_with(None)
        await asyncio.sleep(60)
    assert len(listener.heard) == 1
