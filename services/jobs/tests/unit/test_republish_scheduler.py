"""Republishing: in each new epoch, again after a failure, and periodically."""

import asyncio

import pytest

from msaas.jobs.entrypoints.republish_scheduler import RepublishScheduler
from msaas.kernel import DependencyUnavailable, RetryPolicy
from msaas.testing import wait_until

AT_ONCE = RetryPolicy(base=0.0, cap=0.0)


class FakeRepublish:
    def __init__(self) -> None:
        self.served: list[str] = []
        self.failures = 0

    async def __call__(self, epoch: str) -> None:
        if self.failures:
            self.failures -= 1
            raise DependencyUnavailable(target="redis")
        self.served.append(epoch)


async def test_an_epoch_that_could_not_be_served_is_published_again() -> None:
    facts = FakeRepublish()
    scheduler = RepublishScheduler(facts)
    facts.failures = 1
    with pytest.raises(DependencyUnavailable):
        await scheduler.notice_epoch("first")
    await scheduler.notice_epoch("first")
    assert facts.served == ["first"]


async def test_it_requests_again_periodically_and_survives_a_failure() -> None:
    facts = FakeRepublish()
    scheduler = RepublishScheduler(facts, period=0.01, jitter=AT_ONCE)
    running = asyncio.create_task(scheduler.task.run())
    await scheduler.notice_epoch("first")
    await wait_until(lambda: len(facts.served) > 2)
    facts.failures, seen = 2, len(facts.served)
    await wait_until(lambda: len(facts.served) > seen + 1)
    scheduler.task.drain()
    await running
    assert set(facts.served) == {"first"}
