"""Reports of a job's runs in any order and number give one end and at most one charge."""

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
from services.jobs.tests.scenario import JobScenario

from msaas.contracts import JobStatus, LossReason
from msaas.jobs.domain.reports import MAX_LOSSES, RunReport, fold
from msaas.jobs.domain.settlement import SettlementRules, Transition, decide

PROFILE = settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)


class JobStateMachine(RuleBasedStateMachine):
    def __init__(self, scenario: JobScenario) -> None:
        super().__init__()
        self.scenario = scenario
        self.reports: list[RunReport] = []
        self.charges = 0
        self.end: tuple[JobStatus, Any] | None = None
        self.now: datetime = self.scenario.now

    @initialize(once=st.booleans())
    def set_rules(self, *, once: bool) -> None:
        self.once = once
        self.begun_again = False

    @rule(seconds=st.integers(0, 20))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(which=st.integers(0, 99), what=st.integers(0, 9))
    def report(self, which: int, what: int) -> None:
        """Add a report of one of the runs, which may be true or not."""
        fences = list(self.scenario.runs)
        fence = fences[which % len(fences)]
        scenario = self.scenario
        ended = scenario.job.lease_until or self.now
        choices: tuple[Callable[[UUID], RunReport], ...] = (
            scenario.start,
            scenario.heartbeat,
            scenario.success,
            scenario.failure,
            partial(scenario.failure, retryable=False),
            partial(scenario.failure, reason="cancelled"),
            partial(scenario.loss, LossReason.RECLAIMED),
            partial(scenario.loss, LossReason.LEASE_EXPIRED, lease_until=ended),
            partial(scenario.loss, LossReason.STALE),
            scenario.wait,
        )
        self.reports.append(choices[what](fence))

    @precondition(lambda self: self.reports)
    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def apply_some(self, picks: list[int]) -> None:
        """Apply some of the reports, in any order, also again."""
        self.settle(self.reports[pick % len(self.reports)] for pick in picks)

    @precondition(lambda self: self.scenario.job.fence is None)
    @rule()
    def dispatch(self) -> None:
        if self.scenario.job.is_finished:
            return
        if self.scenario.job.waiting_for is not None:
            return
        runs = self.scenario.runs.values()
        begun = any(run.started_at for run in runs if run.outcome != "waiting")
        self.begun_again |= self.once and begun
        self.scenario.dispatch_again(UUID(int=1_000 + len(self.scenario.runs)))

    @precondition(lambda self: self.scenario.job.waiting_for is not None)
    @rule()
    def wake(self) -> None:
        """End what the job waited for."""
        self.scenario.job = replace(self.scenario.job, waiting_for=None, wake_at=self.now)

    @rule()
    def cancel(self) -> None:
        """Cancel as intake does: at once if no run has the job, otherwise by a request."""
        job = self.scenario.job
        if job.is_finished:
            return
        if job.status is JobStatus.PENDING or job.fence is None:
            self.scenario.job = replace(
                job,
                status=JobStatus.CANCELLED,
                finished_at=self.now,
                reserved=False,
                waiting_for=None,
            )
        else:
            self.scenario.job = replace(job, cancel_requested_at=self.now)

    def settle(self, reports: Iterable[RunReport]) -> Transition:
        folded = {run.fence: report for run, report in fold(reports).items()}
        rules = SettlementRules(once=frozenset({"echo"} if self.once else ()), jitter=lambda: 0.5)
        transition = decide(self.scenario.job, self.scenario.runs, folded, self.now, rules)
        self.scenario.job = transition.after
        self.scenario.runs |= {run.fence: run for run in transition.runs}
        self.charges += transition.is_charged
        return transition

    @invariant()
    def an_end_is_an_end(self) -> None:
        job = self.scenario.job
        if self.end is not None:
            assert (job.status, job.finished_at) == self.end
        if job.is_finished:
            self.end = (job.status, job.finished_at)

    @invariant()
    def only_a_completed_job_is_charged_and_once(self) -> None:
        assert self.charges == (self.scenario.job.status is JobStatus.COMPLETED)

    @invariant()
    def the_row_is_what_the_table_takes(self) -> None:
        job = self.scenario.job
        ended = job.status not in {JobStatus.PENDING, JobStatus.RUNNING}
        assert ended == job.is_finished
        assert job.reserved != job.is_finished
        assert job.fence is None or job.dispatched_at
        assert job.attempts <= job.max_attempts
        assert job.losses <= MAX_LOSSES + 1
        if job.status is JobStatus.RUNNING:
            assert job.started_at
            assert job.lease_until is None or job.fence
        if job.waiting_for is not None:
            assert job.status is JobStatus.RUNNING
            assert job.wake_at
            assert job.fence is None
            assert job.dispatched_at is None

    @invariant()
    def what_begins_only_once_is_never_dispatched_after_it_began(self) -> None:
        assert not self.begun_again

    def teardown(self) -> None:
        """Apply all reports, then let the present run succeed."""
        if self.reports:
            self.settle(self.reports)
        if not self.scenario.job.is_finished:
            if self.scenario.job.waiting_for is not None:
                self.wake()
            if self.scenario.job.fence is None:
                self.dispatch()
            self.settle([self.scenario.success(self.scenario.job.fence)])
        assert self.scenario.job.is_finished
        repeated = self.settle([*self.reports, self.scenario.heartbeat(), self.scenario.success()])
        assert repeated.after == repeated.job
        self.only_a_completed_job_is_charged_and_once()


def test_a_job_ends_once_and_is_charged_at_most_once(
    make_scenario: Callable[[], JobScenario],
) -> None:
    class ThisLife(JobStateMachine):
        def __init__(self) -> None:
            super().__init__(make_scenario())

    run_state_machine_as_test(ThisLife, settings=PROFILE)
