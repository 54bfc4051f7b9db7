"""Listeners are called when Redis may have lost its data, once for each epoch."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from msaas.contracts import epoch_key
from msaas.kernel import PeriodicTask, RetryPolicy
from msaas.messaging import BrokerUnavailable
from msaas.redis import EpochWatcher
from msaas.testing import MemoryBroker

ENV = "test"

Watch = Callable[..., EpochWatcher]


class Listener:
    """Records epochs; its first calls fail."""

    def __init__(self, failures: int = 0) -> None:
        self.epochs: list[str] = []
        self.failures = failures

    async def listen(self, epoch: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.epochs.append(epoch)


@asynccontextmanager
async def running(watcher: EpochWatcher) -> AsyncGenerator[None]:
    def ignore(name: str, error: Exception, failures: int) -> None: ...

    task = PeriodicTask(
        "epoch", watcher.step, period=1, report_failure=ignore, backoff=RetryPolicy()
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(task.run())
        yield
        task.drain()


@pytest.fixture
def watch(broker: MemoryBroker) -> Watch:
    def watch(*listeners: Callable[[str], Awaitable[None]]) -> EpochWatcher:
        return EpochWatcher(broker, epoch_key(ENV), listeners, is_creator=True)

    return watch


async def test_each_listener_is_called_once_per_epoch(broker: MemoryBroker, watch: Watch) -> None:
    first, second = Listener(), Listener()
    async with running(watch(first.listen, second.listen)):
        await asyncio.sleep(60)
        assert len(first.epochs) == 1
        broker.flush()
        await asyncio.sleep(60)
    assert len(set(first.epochs)) == len(first.epochs) == 2
    assert second.epochs == first.epochs


async def test_readers_learn_the_epoch_that_its_creator_has_created(
    broker: MemoryBroker, watch: Watch
) -> None:
    reading, creating = Listener(), Listener()
    reader = EpochWatcher(broker, epoch_key(ENV), [reading.listen], is_creator=False)
    creator = watch(creating.listen)
    await reader.step()
    assert reading.epochs == []
    for watcher in (creator, reader, creator, reader):
        await watcher.step()
    broker.flush()
    for watcher in (reader, creator, reader):
        await watcher.step()
    assert len(reading.epochs) == 2
    assert reading.epochs == creating.epochs


async def test_a_failing_listener_is_called_again_and_delays_no_other(watch: Watch) -> None:
    failing, after = Listener(failures=5), Listener()
    async with running(watch(failing.listen, after.listen)):
        await asyncio.sleep(0.01)
        assert (len(failing.epochs), len(after.epochs)) == (0, 1)
        await asyncio.sleep(60)
    assert failing.epochs == after.epochs
    assert len(after.epochs) == 1


async def test_an_outdated_epoch_is_not_passed_to_a_failing_listener_again(
    broker: MemoryBroker, watch: Watch
) -> None:
    failing, other = Listener(failures=1), Listener()
    watcher = watch(failing.listen, other.listen)
    with pytest.raises(ValueError, match="not now"):
        await watcher.step()
    broker.flush()
    await watcher.step()
    assert failing.epochs == other.epochs[1:]


async def test_an_outage_without_data_loss_is_no_new_epoch(
    broker: MemoryBroker, watch: Watch
) -> None:
    listener = Listener()
    async with running(watch(listener.listen)):
        await asyncio.sleep(5)
        broker.fail_with(BrokerUnavailable(target="redis"))
        await asyncio.sleep(60)
        broker.fail_with(None)
        await asyncio.sleep(60)
    assert len(listener.epochs) == 1
