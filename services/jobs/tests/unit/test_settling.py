"""What becomes of a job by what is said of its runs, one rule at a time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from msaas.contracts import JobStatus, LossReason
from msaas.jobs.domain.folding import merge
from msaas.jobs.domain.losses import MOST_LOSSES
from msaas.jobs.domain.settling import LONGEST_WAIT

PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
STRANGE = UUID(int=99)


def test_a_start_opens_the_lease(story: Any) -> None:
    after = story.hear(story.start()).after
    assert (after.status, after.started_at) == (RUNNING, story.now)
    assert after.lease_until == story.now + timedelta(seconds=10)


def test_a_beat_implies_a_start_that_was_lost(story: Any) -> None:
    verdict = story.hear(story.beat())
    assert verdict.after.status is RUNNING
    assert verdict.runs[0].started_at == story.now


def test_a_lease_is_never_shortened(story: Any) -> None:
    story.hear(story.start())
    before = story.job.lease_until
    assert story.hear(story.report(lease=timedelta(seconds=1))).after.lease_until == before
    later = story.now + timedelta(seconds=5)
    assert story.hear(story.beat(), at=later).after.lease_until == later + timedelta(seconds=10)


def test_a_success_implies_the_start_and_is_charged(story: Any) -> None:
    verdict = story.hear(story.success())
    assert verdict.charges
    assert (verdict.after.status, verdict.after.started_at) == (COMPLETED, story.now)
    assert not verdict.after.reserved
    assert verdict.runs[0].outcome == "succeeded"


def test_what_is_not_billable_is_not_charged(story: Any) -> None:
    story.job = replace(story.job, billable=False)
    verdict = story.hear(story.success())
    assert verdict.ends
    assert not verdict.charges


def test_a_run_that_nobody_handed_out_says_nothing(story: Any) -> None:
    verdict = story.hear(story.success(STRANGE))
    assert (verdict.after, verdict.unknown) == (verdict.job, 1)


def test_a_failure_goes_back_with_jitter_and_counts_as_an_attempt(story: Any) -> None:
    after = story.hear(story.failure()).after
    assert (after.status, after.attempts, after.fence) == (PENDING, 1, None)
    assert (after.dispatched_at, after.started_at) == (None, None)
    assert after.run_at == story.now + timedelta(seconds=1)
    assert after.reserved


def test_out_of_budget_a_job_has_failed(story: Any) -> None:
    story.job = replace(story.job, attempts=2)
    after = story.hear(story.failure()).after
    assert (after.status, after.failure_reason, after.attempts) == (FAILED, "timeout", 3)
    assert (after.last_error, after.reserved) == ("too slow", False)


def test_what_cannot_be_retried_has_failed(story: Any) -> None:
    assert story.hear(story.failure(retryable=False)).after.status is FAILED


def test_a_retry_that_would_pass_the_deadline_is_none(story: Any) -> None:
    story.job = replace(story.job, deadline_at=story.now + timedelta(milliseconds=500))
    assert story.hear(story.failure()).after.status is FAILED


def test_a_task_marked_once_is_not_retried_once_it_has_begun(story: Any) -> None:
    story.once = frozenset({"echo"})
    assert story.hear(story.failure()).after.status is FAILED


@pytest.mark.parametrize("reason", list(LossReason))
def test_a_loss_or_failure_of_a_job_that_is_being_cancelled_cancels_it(
    story: Any, reason: LossReason
) -> None:
    story.job = replace(story.job, cancel_requested_at=story.now)
    after = story.hear(story.loss(reason, lease_until=story.now)).after
    assert (after.status, after.failure_reason, after.reserved) == (CANCELLED, "cancelled", False)


def test_a_run_that_says_cancelled_cancels(story: Any) -> None:
    verdict = story.hear(story.failure(reason="cancelled"))
    assert verdict.after.status is CANCELLED
    assert verdict.runs[0].outcome == "cancelled"


def test_a_failure_while_cancelling_is_no_retry(story: Any) -> None:
    story.job = replace(story.job, cancel_requested_at=story.now)
    assert story.hear(story.failure()).after.status is CANCELLED


def test_a_success_wins_over_a_cancel_that_is_still_open(story: Any) -> None:
    story.job = replace(story.job, cancel_requested_at=story.now)
    assert story.hear(story.success()).charges


@pytest.mark.parametrize(
    ("reason", "losses"),
    [
        (LossReason.DRAINED, 0),
        (LossReason.STALE, 0),
        (LossReason.RECLAIMED, 1),
    ],
)
def test_a_lost_run_goes_back_and_only_a_dead_worker_counts(
    story: Any, reason: LossReason, losses: int
) -> None:
    verdict = story.hear(story.loss(reason))
    after = verdict.after
    assert (after.status, after.losses, after.attempts, after.fence) == (PENDING, losses, 0, None)
    assert after.run_at == verdict.job.run_at
    assert (verdict.runs[0].outcome, verdict.runs[0].reason) == ("lost", reason)


def test_an_ended_lease_is_lost_and_a_renewed_one_is_not(story: Any) -> None:
    story.hear(story.start())
    ended = story.job.lease_until
    story.hear(story.beat(), at=story.now + timedelta(seconds=5))
    stale_word = story.loss(LossReason.LEASE_EXPIRED, lease_until=ended)
    verdict = story.hear(stale_word)
    assert (verdict.after, verdict.runs) == (verdict.job, ())
    word = story.loss(LossReason.LEASE_EXPIRED, lease_until=story.job.lease_until)
    after = story.hear(word).after
    assert (after.status, after.losses) == (PENDING, 1)


def test_a_beat_in_the_same_batch_renews(story: Any) -> None:
    story.hear(story.start())
    loss = story.loss(LossReason.LEASE_EXPIRED, lease_until=story.job.lease_until)
    verdict = story.hear(merge(loss, story.beat()), at=story.now + timedelta(seconds=11))
    assert verdict.after.status is RUNNING


def test_a_missing_entry_says_nothing_of_a_run_that_has_begun(story: Any) -> None:
    story.hear(story.start())
    assert story.hear(story.loss(LossReason.STALE)).after.status is RUNNING


def test_a_job_that_loses_too_many_workers_has_failed(story: Any) -> None:
    for _ in range(MOST_LOSSES):
        story.hear(story.loss(LossReason.RECLAIMED, story.job.fence))
        story.hand_out_again(UUID(int=100 + story.job.losses))
    after = story.hear(story.loss(LossReason.RECLAIMED, story.job.fence)).after
    assert (after.status, after.failure_reason) == (FAILED, "lost_worker")
    assert (after.last_error, after.attempts) == ("The worker was lost.", 0)


@pytest.mark.parametrize("reason", [LossReason.RECLAIMED, LossReason.DRAINED])
def test_a_task_marked_once_that_had_begun_is_not_run_again(story: Any, reason: LossReason) -> None:
    story.once = frozenset({"echo"})
    story.hear(story.start())
    after = story.hear(story.loss(reason)).after
    assert (after.status, after.failure_reason) == (FAILED, "lost_worker")


def test_a_task_marked_once_that_had_not_begun_is_run(story: Any) -> None:
    story.once = frozenset({"echo"})
    assert story.hear(story.loss(LossReason.RECLAIMED)).after.status is PENDING


def test_late_word_of_a_start_ends_a_task_marked_once(story: Any) -> None:
    """Two of us read at once, and the loss was settled before the start."""
    story.once = frozenset({"echo"})
    story.hear(story.loss(LossReason.RECLAIMED))
    again = story.hand_out_again()
    verdict = story.hear(story.start())
    assert verdict.after.status is FAILED
    assert again in verdict.stop


def test_a_success_of_an_older_run_counts_and_stops_the_present_one(story: Any) -> None:
    story.hear(story.loss(LossReason.RECLAIMED))
    present = story.hand_out_again()
    story.hear(story.start(present))
    verdict = story.hear(story.success())
    assert (verdict.after.status, verdict.stop) == (COMPLETED, {present})
    assert verdict.after.entry_id == "2-0"
    assert verdict.charges
    assert story.runs[story.fence].outcome == "succeeded"


def test_the_same_is_told_again_when_the_word_comes_again(story: Any) -> None:
    story.hear(story.loss(LossReason.RECLAIMED))
    present = story.hand_out_again()
    first = story.hear(story.success())
    again = story.hear(story.success())
    assert (again.stop, again.after) == (first.stop, first.after)
    assert not again.charges
    assert again.stop == {present}


def test_a_failure_or_loss_of_an_older_run_is_only_noted(story: Any) -> None:
    older = story.fence
    story.hear(story.loss(LossReason.STALE))
    story.runs[older] = replace(story.runs[older], outcome=None, finished_at=None)
    present = story.hand_out_again()
    story.hear(story.start(present))
    verdict = story.hear(story.failure(older))
    assert (verdict.after, verdict.stop) == (verdict.job, frozenset())
    assert [(run.fence, run.outcome) for run in verdict.runs] == [(older, "failed")]
    assert story.hear(story.loss(LossReason.RECLAIMED, older)).runs == ()


def test_a_run_that_goes_on_after_the_end_is_told_to_stop(story: Any) -> None:
    story.job = replace(story.job, status=CANCELLED, finished_at=story.now, reserved=False)
    verdict = story.hear(story.beat())
    assert (verdict.after, verdict.stop) == (verdict.job, {story.fence})


def test_the_present_run_goes_before_an_older_one(story: Any) -> None:
    older = story.fence
    story.hear(story.loss(LossReason.STALE))
    present = story.hand_out_again()
    verdict = story.hear(story.success(older, after=1), story.success(present, after=2))
    assert verdict.success is not None
    assert verdict.success.finished_at == story.now + timedelta(seconds=2)
    assert verdict.stop == frozenset()


def test_no_other_clock_is_trusted_beyond_our_own_two_times(story: Any) -> None:
    early = story.report(started_at=story.now - timedelta(days=9), lease=timedelta(seconds=10))
    assert story.hear(early).after.started_at == story.job.created_at
    story.job = replace(story.job, started_at=None)
    late = story.report(started_at=story.now + timedelta(days=9), lease=timedelta(seconds=10))
    assert story.hear(late).after.started_at == story.now


def test_a_job_that_waits_has_no_run_and_holds_no_slot_but_is_seen_running(story: Any) -> None:
    story.hear(story.start())
    verdict = story.hear(story.wait())
    job = verdict.after
    assert (job.status, job.fence, job.dispatched_at, job.lease_until) == ("RUNNING",) + (None,) * 3
    assert (job.waiting_for, job.wake_at) == ((UUID(int=77),), story.now + LONGEST_WAIT)
    assert verdict.frees_a_slot
    assert verdict.waits
    assert story.runs[story.fence].outcome == "waiting"


def test_word_that_comes_after_a_run_has_waited_changes_nothing(story: Any) -> None:
    story.once = frozenset({"echo"})
    story.hear(story.start(), story.wait())
    waiting = story.job
    for late in (story.start(), story.beat(), story.loss(LossReason.RECLAIMED), story.wait()):
        assert story.hear(late).after == waiting


def test_a_run_that_is_to_be_cancelled_does_not_wait(story: Any) -> None:
    story.hear(story.start())
    story.job = replace(story.job, cancel_requested_at=story.now)
    assert story.hear(story.wait()).after.status is JobStatus.CANCELLED
    assert story.runs[story.fence].outcome == "cancelled"


@pytest.mark.parametrize("once", [True, False])
def test_a_woken_job_whose_entry_is_lost_is_still_a_woken_one(story: Any, *, once: bool) -> None:
    story.once = frozenset({"echo"} if once else ())
    story.hear(story.start(), story.wait())
    woken = story.job = replace(story.job, waiting_for=None)
    fence = story.hand_out_again()
    assert story.hear(story.loss(LossReason.STALE, fence)).after == woken
