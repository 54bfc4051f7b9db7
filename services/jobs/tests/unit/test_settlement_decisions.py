"""How reports of its runs change a job, one rule at a time."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from services.jobs.tests.scenario import JobScenario

from msaas.contracts import JobStatus, LossReason
from msaas.jobs.domain.reports import MAX_LOSSES, merge
from msaas.jobs.domain.settlement import MAX_WAIT

PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
UNKNOWN_FENCE = UUID(int=99)


def test_a_start_opens_the_lease(scenario: JobScenario) -> None:
    after = scenario.apply_reports(scenario.start()).after
    assert (after.status, after.started_at) == (RUNNING, scenario.now)
    assert after.lease_until == scenario.now + timedelta(seconds=10)


def test_a_heartbeat_implies_a_start_that_was_lost(scenario: JobScenario) -> None:
    transition = scenario.apply_reports(scenario.heartbeat())
    assert transition.after.status is RUNNING
    assert transition.runs[0].started_at == scenario.now


def test_a_lease_is_never_shortened(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.start())
    before = scenario.job.lease_until
    assert (
        scenario.apply_reports(scenario.report(lease=timedelta(seconds=1))).after.lease_until
        == before
    )
    later = scenario.now + timedelta(seconds=5)
    assert scenario.apply_reports(
        scenario.heartbeat(), at=later
    ).after.lease_until == later + timedelta(seconds=10)


def test_a_success_implies_the_start_and_is_charged(scenario: JobScenario) -> None:
    transition = scenario.apply_reports(scenario.success())
    assert transition.is_charged
    assert (transition.after.status, transition.after.started_at) == (COMPLETED, scenario.now)
    assert not transition.after.reserved
    assert transition.runs[0].outcome == "succeeded"


def test_what_is_not_billable_is_not_charged(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, billable=False)
    transition = scenario.apply_reports(scenario.success())
    assert transition.ends
    assert not transition.is_charged


def test_a_result_of_a_run_that_was_never_dispatched_is_ignored(scenario: JobScenario) -> None:
    transition = scenario.apply_reports(scenario.success(UNKNOWN_FENCE))
    assert (transition.after, transition.unknown_fences) == (transition.job, 1)


def test_a_failure_goes_back_with_jitter_and_counts_as_an_attempt(scenario: JobScenario) -> None:
    after = scenario.apply_reports(scenario.failure()).after
    assert (after.status, after.attempts, after.fence) == (PENDING, 1, None)
    assert (after.dispatched_at, after.started_at) == (None, None)
    assert after.run_at == scenario.now + timedelta(seconds=1)
    assert after.reserved


def test_out_of_budget_a_job_has_failed(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, attempts=2)
    after = scenario.apply_reports(scenario.failure()).after
    assert (after.status, after.failure_reason, after.attempts) == (FAILED, "timeout", 3)
    assert (after.last_error, after.reserved) == ("too slow", False)


def test_what_cannot_be_retried_has_failed(scenario: JobScenario) -> None:
    assert scenario.apply_reports(scenario.failure(retryable=False)).after.status is FAILED


def test_a_retry_that_would_pass_the_deadline_is_none(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, deadline_at=scenario.now + timedelta(milliseconds=500))
    assert scenario.apply_reports(scenario.failure()).after.status is FAILED


def test_a_task_marked_once_is_not_retried_once_it_has_begun(scenario: JobScenario) -> None:
    scenario.once = frozenset({"echo"})
    assert scenario.apply_reports(scenario.failure()).after.status is FAILED


@pytest.mark.parametrize("reason", list(LossReason))
def test_a_loss_or_failure_of_a_job_that_is_being_cancelled_cancels_it(
    scenario: JobScenario, reason: LossReason
) -> None:
    scenario.job = replace(scenario.job, cancel_requested_at=scenario.now)
    after = scenario.apply_reports(scenario.loss(reason, lease_until=scenario.now)).after
    assert (after.status, after.failure_reason, after.reserved) == (CANCELLED, "cancelled", False)


def test_a_result_of_cancelled_cancels_the_job(scenario: JobScenario) -> None:
    transition = scenario.apply_reports(scenario.failure(reason="cancelled"))
    assert transition.after.status is CANCELLED
    assert transition.runs[0].outcome == "cancelled"


def test_a_failure_while_cancelling_is_no_retry(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, cancel_requested_at=scenario.now)
    assert scenario.apply_reports(scenario.failure()).after.status is CANCELLED


def test_a_success_wins_over_a_cancel_that_is_still_open(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, cancel_requested_at=scenario.now)
    assert scenario.apply_reports(scenario.success()).is_charged


@pytest.mark.parametrize(
    ("reason", "losses"),
    [
        (LossReason.DRAINED, 0),
        (LossReason.STALE, 0),
        (LossReason.RECLAIMED, 1),
    ],
)
def test_a_lost_run_goes_back_and_only_a_dead_worker_counts(
    scenario: JobScenario, reason: LossReason, losses: int
) -> None:
    transition = scenario.apply_reports(scenario.loss(reason))
    after = transition.after
    assert (after.status, after.losses, after.attempts, after.fence) == (PENDING, losses, 0, None)
    assert after.run_at == transition.job.run_at
    assert (transition.runs[0].outcome, transition.runs[0].reason) == ("lost", reason)


def test_an_ended_lease_is_lost_and_a_renewed_one_is_not(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.start())
    ended = scenario.job.lease_until
    scenario.apply_reports(scenario.heartbeat(), at=scenario.now + timedelta(seconds=5))
    stale_report = scenario.loss(LossReason.LEASE_EXPIRED, lease_until=ended)
    transition = scenario.apply_reports(stale_report)
    assert (transition.after, transition.runs) == (transition.job, ())
    report = scenario.loss(LossReason.LEASE_EXPIRED, lease_until=scenario.job.lease_until)
    after = scenario.apply_reports(report).after
    assert (after.status, after.losses) == (PENDING, 1)


def test_a_heartbeat_in_the_same_batch_renews(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.start())
    loss = scenario.loss(LossReason.LEASE_EXPIRED, lease_until=scenario.job.lease_until)
    transition = scenario.apply_reports(
        merge(loss, scenario.heartbeat()), at=scenario.now + timedelta(seconds=11)
    )
    assert transition.after.status is RUNNING


def test_a_missing_entry_proves_nothing_about_a_started_run(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.start())
    assert scenario.apply_reports(scenario.loss(LossReason.STALE)).after.status is RUNNING


def test_a_job_that_loses_too_many_workers_has_failed(scenario: JobScenario) -> None:
    for _ in range(MAX_LOSSES):
        scenario.apply_reports(scenario.loss(LossReason.RECLAIMED, scenario.job.fence))
        scenario.dispatch_again(UUID(int=100 + scenario.job.losses))
    after = scenario.apply_reports(scenario.loss(LossReason.RECLAIMED, scenario.job.fence)).after
    assert (after.status, after.failure_reason) == (FAILED, "lost_worker")
    assert (after.last_error, after.attempts) == ("The worker was lost.", 0)


@pytest.mark.parametrize("reason", [LossReason.RECLAIMED, LossReason.DRAINED])
def test_a_task_marked_once_that_had_begun_is_not_run_again(
    scenario: JobScenario, reason: LossReason
) -> None:
    scenario.once = frozenset({"echo"})
    scenario.apply_reports(scenario.start())
    after = scenario.apply_reports(scenario.loss(reason)).after
    assert (after.status, after.failure_reason) == (FAILED, "lost_worker")


def test_a_task_marked_once_that_had_not_begun_is_run(scenario: JobScenario) -> None:
    scenario.once = frozenset({"echo"})
    assert scenario.apply_reports(scenario.loss(LossReason.RECLAIMED)).after.status is PENDING


def test_a_late_report_of_a_start_ends_a_task_marked_once(scenario: JobScenario) -> None:
    """Two replicas read at once, and the loss was processed before the start."""
    scenario.once = frozenset({"echo"})
    scenario.apply_reports(scenario.loss(LossReason.RECLAIMED))
    again = scenario.dispatch_again()
    transition = scenario.apply_reports(scenario.start())
    assert transition.after.status is FAILED
    assert again in transition.fences_to_stop


def test_a_success_of_an_older_run_counts_and_stops_the_present_one(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.loss(LossReason.RECLAIMED))
    present = scenario.dispatch_again()
    scenario.apply_reports(scenario.start(present))
    transition = scenario.apply_reports(scenario.success())
    assert (transition.after.status, transition.fences_to_stop) == (COMPLETED, {present})
    assert transition.after.entry_id == "2-0"
    assert transition.is_charged
    assert scenario.runs[scenario.fence].outcome == "succeeded"


def test_the_same_is_published_again_when_the_report_comes_again(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.loss(LossReason.RECLAIMED))
    present = scenario.dispatch_again()
    first = scenario.apply_reports(scenario.success())
    again = scenario.apply_reports(scenario.success())
    assert (again.fences_to_stop, again.after) == (first.fences_to_stop, first.after)
    assert not again.is_charged
    assert again.fences_to_stop == {present}


def test_a_failure_or_loss_of_an_older_run_is_only_noted(scenario: JobScenario) -> None:
    older = scenario.fence
    scenario.apply_reports(scenario.loss(LossReason.STALE))
    scenario.runs[older] = replace(scenario.runs[older], outcome=None, finished_at=None)
    present = scenario.dispatch_again()
    scenario.apply_reports(scenario.start(present))
    transition = scenario.apply_reports(scenario.failure(older))
    assert (transition.after, transition.fences_to_stop) == (transition.job, frozenset())
    assert [(run.fence, run.outcome) for run in transition.runs] == [(older, "failed")]
    assert scenario.apply_reports(scenario.loss(LossReason.RECLAIMED, older)).runs == ()


def test_a_run_that_continues_after_the_end_is_requested_to_stop(scenario: JobScenario) -> None:
    scenario.job = replace(scenario.job, status=CANCELLED, finished_at=scenario.now, reserved=False)
    transition = scenario.apply_reports(scenario.heartbeat())
    assert (transition.after, transition.fences_to_stop) == (transition.job, {scenario.fence})


def test_the_present_run_goes_before_an_older_one(scenario: JobScenario) -> None:
    older = scenario.fence
    scenario.apply_reports(scenario.loss(LossReason.STALE))
    present = scenario.dispatch_again()
    transition = scenario.apply_reports(
        scenario.success(older, after=1), scenario.success(present, after=2)
    )
    assert transition.success is not None
    assert transition.success.finished_at == scenario.now + timedelta(seconds=2)
    assert transition.fences_to_stop == frozenset()


def test_no_other_clock_is_trusted_beyond_our_own_two_times(scenario: JobScenario) -> None:
    early = scenario.report(
        started_at=scenario.now - timedelta(days=9), lease=timedelta(seconds=10)
    )
    assert scenario.apply_reports(early).after.started_at == scenario.job.created_at
    scenario.job = replace(scenario.job, started_at=None)
    late = scenario.report(started_at=scenario.now + timedelta(days=9), lease=timedelta(seconds=10))
    assert scenario.apply_reports(late).after.started_at == scenario.now


def test_a_job_that_waits_has_no_run_and_holds_no_slot_but_is_seen_running(
    scenario: JobScenario,
) -> None:
    scenario.apply_reports(scenario.start())
    transition = scenario.apply_reports(scenario.wait())
    job = transition.after
    assert (job.status, job.fence, job.dispatched_at, job.lease_until) == ("RUNNING",) + (None,) * 3
    assert (job.waiting_for, job.wake_at) == ((UUID(int=77),), scenario.now + MAX_WAIT)
    assert transition.frees_slot
    assert transition.starts_waiting
    assert scenario.runs[scenario.fence].outcome == "waiting"


def test_a_report_that_comes_after_a_run_has_waited_changes_nothing(scenario: JobScenario) -> None:
    scenario.once = frozenset({"echo"})
    scenario.apply_reports(scenario.start(), scenario.wait())
    waiting = scenario.job
    for late in (
        scenario.start(),
        scenario.heartbeat(),
        scenario.loss(LossReason.RECLAIMED),
        scenario.wait(),
    ):
        assert scenario.apply_reports(late).after == waiting


def test_a_run_that_is_to_be_cancelled_does_not_wait(scenario: JobScenario) -> None:
    scenario.apply_reports(scenario.start())
    scenario.job = replace(scenario.job, cancel_requested_at=scenario.now)
    assert scenario.apply_reports(scenario.wait()).after.status is JobStatus.CANCELLED
    assert scenario.runs[scenario.fence].outcome == "cancelled"


@pytest.mark.parametrize("once", [True, False])
def test_a_woken_job_whose_entry_is_lost_is_still_a_woken_one(
    scenario: JobScenario, *, once: bool
) -> None:
    scenario.once = frozenset({"echo"} if once else ())
    scenario.apply_reports(scenario.start(), scenario.wait())
    woken = scenario.job = replace(scenario.job, waiting_for=None)
    fence = scenario.dispatch_again()
    after = scenario.apply_reports(scenario.loss(LossReason.STALE, fence)).after
    assert replace(after, releases=0) == woken


@pytest.mark.parametrize("reason", [LossReason.STALE, LossReason.DRAINED])
def test_a_job_that_no_worker_keeps_waits_longer_each_time_and_fails_in_the_end(
    scenario: JobScenario, reason: LossReason
) -> None:
    now, fence, waits = scenario.now, scenario.fence, list[float]()
    for number in range(100):
        after = scenario.apply_reports(scenario.loss(reason, fence), at=now).after
        if after.is_finished:
            break
        waits.append(max(0.0, (after.run_at - now).total_seconds()))
        now = max(now, after.run_at)
        fence = scenario.dispatch_again(UUID(int=100 + number))
    assert (scenario.job.status, scenario.job.failure_reason) == (FAILED, "lost_worker")
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits == sorted(waits)
    assert waits[-1] == 300.0
    assert now - scenario.now > timedelta(hours=1)


def test_a_start_forgets_the_releases_before_it(scenario: JobScenario) -> None:
    fence = scenario.fence
    for number in range(100):
        scenario.apply_reports(scenario.loss(LossReason.STALE, fence))
        fence = scenario.dispatch_again(UUID(int=100 + 2 * number))
        scenario.apply_reports(scenario.start(fence))
        scenario.apply_reports(scenario.loss(LossReason.DRAINED, fence))
        fence = scenario.dispatch_again(UUID(int=101 + 2 * number))
    assert not scenario.job.is_finished
    assert scenario.job.run_at <= scenario.now
