"""The timer reports a passed deadline once, and again only if the job is still overdue."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from msaas.contracts import DeadlinePassed, Message
from msaas.jobs.application.due_jobs import REPEAT_AFTER, DueJobsTask
from msaas.jobs.application.results_ports import DueJob
from msaas.testing import FakeClock


class Harness:
    """A store with overdue jobs, and a topic that may be full."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.overdue: list[DueJob] = []
        self.reported: list[UUID] = []
        self.is_full = False
        self.task = DueJobsTask(self.list_past_deadline, DeadlinePassed, self, self.clock)

    async def list_past_deadline(self) -> Sequence[DueJob]:
        return self.overdue

    async def publish(self, topic: str, message: Message, **_: Any) -> str | None:
        assert topic == "jobs.commands"
        assert isinstance(message, DeadlinePassed)
        if self.is_full:
            return None
        self.reported.append(message.job_id)
        return "1-0"

    def add(self) -> UUID:
        job = DueJob(job_id=uuid4(), user_id=uuid4(), correlation_id="c")
        self.overdue.append(job)
        return job.job_id


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def test_each_passed_deadline_is_published_once(harness: Harness) -> None:
    jobs = [harness.add(), harness.add()]
    for _ in range(3):
        await harness.task()
    assert harness.reported == jobs


async def test_it_is_published_again_when_nothing_has_come_of_it(harness: Harness) -> None:
    job = harness.add()
    await harness.task()
    await harness.clock.advance(REPEAT_AFTER)
    await harness.task()
    assert harness.reported == [job, job]


async def test_a_report_dropped_by_a_full_topic_is_published_at_the_next_poll(
    harness: Harness,
) -> None:
    job = harness.add()
    harness.is_full = True
    await harness.task()
    harness.is_full = False
    await harness.task()
    assert harness.reported == [job]


async def test_an_ended_job_is_removed_and_may_be_reported_again(harness: Harness) -> None:
    job = harness.add()
    await harness.task()
    again, harness.overdue = harness.overdue, []
    await harness.task()
    harness.overdue = again
    await harness.task()
    assert harness.reported == [job, job]
