"""Who is told that the wire may have lost its data, and how often."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from msaas.messaging import BrokerUnavailable, Messenger
from msaas.messaging.loop import BrokerLoop
from msaas.messaging.watchers import EpochWatcher
from msaas.testing import MemoryBroker

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]


class Listener:
    """Hears epochs, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.epochs: list[str] = []
        self.failures = failures

    async def listen(self, epoch: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.epochs.append(epoch)


@pytest.fixture
def watch(
    broker: MemoryBroker, make_messenger: Callable[..., Messenger]
) -> Callable[..., EpochWatcher]:
    def watch(*listeners: Callable[[str], Awaitable[None]]) -> EpochWatcher:
        return EpochWatcher(make_messenger(broker, "jobs").context, listeners)

    return watch


async def test_each_listener_is_told_once_for_each_epoch(
    broker: MemoryBroker, watch: Callable[..., EpochWatcher], running: Running
) -> None:
    one, two = Listener(), Listener()
    async with running(watch(one.listen, two.listen)):
        await asyncio.sleep(60)
        assert len(one.epochs) == 1
        broker.flush()
        await asyncio.sleep(60)
    assert len(set(one.epochs)) == len(one.epochs) == 2
    assert two.epochs == one.epochs


async def test_a_listener_that_fails_is_told_again_and_holds_back_no_other(
    watch: Callable[..., EpochWatcher], running: Running
) -> None:
    failing, after = Listener(failures=5), Listener()
    async with running(watch(failing.listen, after.listen)):
        await asyncio.sleep(0.01)
        assert (len(failing.epochs), len(after.epochs)) == (0, 1)
        await asyncio.sleep(60)
    assert failing.epochs == after.epochs
    assert len(after.epochs) == 1


async def test_an_epoch_that_ends_before_a_failing_listener_took_it_is_told_no_more(
    broker: MemoryBroker, watch: Callable[..., EpochWatcher]
) -> None:
    failing, other = Listener(failures=1), Listener()
    watcher = watch(failing.listen, other.listen)
    with pytest.raises(ValueError, match="not now"):
        await watcher.step()
    broker.flush()
    await watcher.step()
    assert failing.epochs == other.epochs[1:]


async def test_a_broker_that_comes_back_as_it_was_is_no_new_epoch(
    broker: MemoryBroker, watch: Callable[..., EpochWatcher], running: Running
) -> None:
    listener = Listener()
    async with running(watch(listener.listen)):
        await asyncio.sleep(5)
        broker.fail_with(BrokerUnavailable(target="redis"))
        await asyncio.sleep(60)
        broker.fail_with(None)
        await asyncio.sleep(60)
    assert len(listener.epochs) == 1
