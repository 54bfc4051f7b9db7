"""The timer speaks of a passed deadline once, and again only when nothing has come of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from msaas.contracts import DeadlinePassed, Message
from msaas.jobs.application.results_ports import OverdueJob
from msaas.jobs.application.watch_times import SAY_AGAIN, WatchTimes
from msaas.testing import FakeClock


class World:
    """A record with overdue jobs, and a topic that may be full."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.overdue: list[OverdueJob] = []
        self.said: list[UUID] = []
        self.is_full = False
        self.look = WatchTimes(self.list_past_deadline, DeadlinePassed, self, self.clock)

    async def list_past_deadline(self) -> Sequence[OverdueJob]:
        return self.overdue

    async def publish(self, topic: str, message: Message, **_: Any) -> str | None:
        assert topic == "jobs.commands"
        assert isinstance(message, DeadlinePassed)
        if self.is_full:
            return None
        self.said.append(message.job_id)
        return "1-0"

    def add(self) -> UUID:
        job = OverdueJob(job_id=uuid4(), user_id=uuid4(), correlation_id="c")
        self.overdue.append(job)
        return job.job_id


@pytest.fixture
def world() -> World:
    return World()


async def test_each_passed_deadline_is_told_once(world: World) -> None:
    jobs = [world.add(), world.add()]
    for _ in range(3):
        await world.look()
    assert world.said == jobs


async def test_it_is_told_again_when_nothing_has_come_of_it(world: World) -> None:
    job = world.add()
    await world.look()
    await world.clock.advance(SAY_AGAIN)
    await world.look()
    assert world.said == [job, job]


async def test_what_a_full_topic_let_go_is_told_at_the_next_look(world: World) -> None:
    job = world.add()
    world.is_full = True
    await world.look()
    world.is_full = False
    await world.look()
    assert world.said == [job]


async def test_what_has_ended_is_forgotten_and_may_be_told_anew(world: World) -> None:
    job = world.add()
    await world.look()
    again, world.overdue = world.overdue, []
    await world.look()
    world.overdue = again
    await world.look()
    assert world.said == [job, job]
