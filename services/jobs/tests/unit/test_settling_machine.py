"""Whatever is said of the runs of a job, in whatever order and how often: one end, one charge."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from msaas.contracts import JobStatus, LossReason
from msaas.jobs.domain.folding import fold
from msaas.jobs.domain.losses import MOST_LOSSES
from msaas.jobs.domain.reports import RunReport
from msaas.jobs.domain.settling import Rules, Verdict, decide

PROFILE = settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)


class Life(RuleBasedStateMachine):
    def __init__(self, story: Any) -> None:
        super().__init__()
        self.story = story
        self.said: list[RunReport] = []
        self.charges = 0
        self.end: tuple[JobStatus, Any] | None = None
        self.now: datetime = self.story.now

    @initialize(once=st.booleans())
    def mark(self, *, once: bool) -> None:
        self.once = once
        self.begun_again = False

    @rule(seconds=st.integers(0, 20))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(which=st.integers(0, 99), what=st.integers(0, 9))
    def say(self, which: int, what: int) -> None:
        """Somebody says something of one of the runs; it may be true or not."""
        fences = list(self.story.runs)
        fence = fences[which % len(fences)]
        story = self.story
        ended = story.job.lease_until or self.now
        choices: tuple[Callable[[UUID], RunReport], ...] = (
            story.start,
            story.beat,
            story.success,
            story.failure,
            partial(story.failure, retryable=False),
            partial(story.failure, reason="cancelled"),
            partial(story.loss, LossReason.RECLAIMED),
            partial(story.loss, LossReason.LEASE_EXPIRED, lease_until=ended),
            partial(story.loss, LossReason.STALE),
            story.wait,
        )
        self.said.append(choices[what](fence))

    @precondition(lambda self: self.said)
    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def hear(self, picks: list[int]) -> None:
        """Hear some of what was said, in any order, any of it again."""
        self.settle(self.said[pick % len(self.said)] for pick in picks)

    @precondition(lambda self: self.story.job.fence is None)
    @rule()
    def hand_out(self) -> None:
        if self.story.job.is_finished:
            return
        if self.story.job.waiting_for is not None:
            return
        runs = self.story.runs.values()
        begun = any(run.started_at for run in runs if run.outcome != "waiting")
        self.begun_again |= self.once and begun
        self.story.hand_out_again(UUID(int=1_000 + len(self.story.runs)))

    @precondition(lambda self: self.story.job.waiting_for is not None)
    @rule()
    def wake(self) -> None:
        """Be whoever ends what it waited for."""
        self.story.job = replace(self.story.job, waiting_for=None, wake_at=self.now)

    @rule()
    def cancel(self) -> None:
        """Be intake: at once where nobody runs it, else by asking."""
        job = self.story.job
        if job.is_finished:
            return
        if job.status is JobStatus.PENDING or job.fence is None:
            self.story.job = replace(
                job,
                status=JobStatus.CANCELLED,
                finished_at=self.now,
                reserved=False,
                waiting_for=None,
            )
        else:
            self.story.job = replace(job, cancel_requested_at=self.now)

    def settle(self, reports: Iterable[RunReport]) -> Verdict:
        folded = {run.fence: report for run, report in fold(reports).items()}
        rules = Rules(once=frozenset({"echo"} if self.once else ()), draw=lambda: 0.5)
        verdict = decide(self.story.job, self.story.runs, folded, self.now, rules)
        self.story.job = verdict.after
        self.story.runs |= {run.fence: run for run in verdict.runs}
        self.charges += verdict.charges
        return verdict

    @invariant()
    def an_end_is_an_end(self) -> None:
        job = self.story.job
        if self.end is not None:
            assert (job.status, job.finished_at) == self.end
        if job.is_finished:
            self.end = (job.status, job.finished_at)

    @invariant()
    def only_a_completed_job_is_charged_and_once(self) -> None:
        assert self.charges == (self.story.job.status is JobStatus.COMPLETED)

    @invariant()
    def the_row_is_what_the_table_takes(self) -> None:
        job = self.story.job
        ended = job.status not in {JobStatus.PENDING, JobStatus.RUNNING}
        assert ended == job.is_finished
        assert job.reserved != job.is_finished
        assert job.fence is None or job.dispatched_at
        assert job.attempts <= job.max_attempts
        assert job.losses <= MOST_LOSSES + 1
        if job.status is JobStatus.RUNNING:
            assert job.started_at
            assert job.lease_until is None or job.fence
        if job.waiting_for is not None:
            assert job.status is JobStatus.RUNNING
            assert job.wake_at
            assert job.fence is None
            assert job.dispatched_at is None

    @invariant()
    def what_begins_only_once_is_never_handed_out_after_it_began(self) -> None:
        assert not self.begun_again

    def teardown(self) -> None:
        """All that was said is heard at last, and then whoever runs it is done."""
        if self.said:
            self.settle(self.said)
        if not self.story.job.is_finished:
            if self.story.job.waiting_for is not None:
                self.wake()
            if self.story.job.fence is None:
                self.hand_out()
            self.settle([self.story.success(self.story.job.fence)])
        assert self.story.job.is_finished
        repeated = self.settle([*self.said, self.story.beat(), self.story.success()])
        assert repeated.after == repeated.job
        self.only_a_completed_job_is_charged_and_once()


def test_a_job_ends_once_and_is_charged_at_most_once(make_story: Callable[[], Any]) -> None:
    class ThisLife(Life):
        def __init__(self) -> None:
            super().__init__(make_story())

    run_state_machine_as_test(ThisLife, settings=PROFILE)
