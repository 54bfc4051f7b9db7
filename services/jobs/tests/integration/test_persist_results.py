"""Results: what each report changes in the database, and what is published about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest
from services.jobs.tests.support import (
    Given,
    MakeResults,
    PickMessages,
    ReadCharges,
    ResultsHarness,
)

from msaas.contracts import CancelRequested, JobStatus, LossReason, VisitedPlace
from msaas.kernel import derive_id


def states(changed: list[Any]) -> list[str]:
    return [change.frame.status for change in changed]


async def test_started_opens_a_lease_and_the_user_sees_running(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    run = await given.run()
    before = datetime.now(UTC)
    out = await results.persist(run.started(before))
    job, attempt = await given.job(run), await given.attempt(run)
    assert (job["status"], job["started_at"]) == ("RUNNING", before)
    assert timedelta(0) <= job["lease_until"] - before - timedelta(seconds=10)
    assert (attempt["worker"], attempt["started_at"]) == ("w-1", before)
    assert states(pick_messages(out)) == [JobStatus.RUNNING]


async def test_a_heartbeat_extends_the_lease_and_is_no_news(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    await results.persist(run.started())
    before = (await given.job(run))["lease_until"]
    assert await results.persist(run.heartbeat()) == []
    assert (await given.job(run))["lease_until"] > before


async def test_progress_is_published_as_progress(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    run = await given.run()
    await results.persist(run.started())
    out = await results.persist(run.progressed(30), run.heartbeat(), run.progressed(70))
    [changed] = pick_messages(out)
    assert changed.progress.percent == 70
    assert (await given.job(run))["progress"] == '{"message": null, "percent": 70}'
    await results.persist(run.heartbeat())
    assert (await given.job(run))["progress"] == '{"message": null, "percent": 70}'


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_the_hosts_that_a_run_requested_are_stored(
    given: Given, results: ResultsHarness, outcome: str
) -> None:
    run = await given.run()
    host = VisitedPlace(host="10.0.0.1", port=80, refusals=1, refusal="blocked")
    transition = run.succeeded() if outcome == "succeeded" else run.failed()
    await results.persist(transition.model_copy(update={"network": (host,)}))
    attempt = await given.attempt(run)
    assert attempt["outcome"] == outcome
    assert orjson.loads(attempt["network"]) == [host.model_dump(mode="json")]


async def test_success_implies_start_and_heartbeats_lost(
    given: Given, results: ResultsHarness, pick_messages: PickMessages, charges: ReadCharges
) -> None:
    run = await given.run()
    out = await results.persist(run.succeeded(timings_ms={"goto": 12}))
    job, attempt = await given.job(run), await given.attempt(run)
    assert (job["status"], job["result"]) == ("COMPLETED", '{"message": "hello"}')
    assert job["started_at"] <= job["finished_at"]
    assert (attempt["outcome"], attempt["timings_ms"]) == ("succeeded", '{"goto": 12}')
    assert states(pick_messages(out)) == [JobStatus.COMPLETED]
    [fact] = charges(out)
    assert (fact.job_id, fact.seq, fact.plan) == (run.job, 1, "PRO")
    assert await given.counted(run) == (1, 0)


async def test_usage_event_counter_and_reservation_are_one_transaction(
    given: Given, results: ResultsHarness, rows: asyncpg.Connection
) -> None:
    run = await given.run()
    await rows.execute("ALTER TABLE jobs.usage_counters ADD CHECK (jobs_used = 0)")
    with pytest.raises(Exception, match="violates check constraint"):
        await results.persist(run.succeeded())
    assert (await given.job(run))["status"] == "PENDING"
    assert await rows.fetchval("SELECT count(*) FROM jobs.usage_events") == 0
    assert await given.counted(run) == (0, 1)


async def test_a_large_result_is_named_by_its_reference(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    await results.persist(run.succeeded(result=None, result_ref="result.json"))
    job = await given.job(run)
    assert (job["result"], job["result_ref"]) == (None, "result.json")


async def test_a_result_over_the_limit_is_a_failure_that_reports_it(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    await results.persist(run.succeeded(result={"text": "x" * 64 * 1024}))
    job = await given.job(run)
    assert (job["status"], job["failure_reason"]) == ("FAILED", "result_too_large")
    assert await given.counted(run) == (0, 0)


async def test_a_result_of_64_kib_that_grows_as_jsonb_is_stored(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    await results.persist(run.succeeded(result={str(n): 1 for n in range(6_000)}))
    assert (await given.job(run))["status"] == "COMPLETED"


async def test_many_reports_of_one_run_are_folded_to_one_row(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    run = await given.run()
    out = await results.persist(
        run.started(),
        run.heartbeat(),
        run.progressed(5),
        run.heartbeat(),
        run.succeeded(),
        run.succeeded(),
    )
    job = await given.job(run)
    assert (job["status"], job["version"]) == ("COMPLETED", 2)
    assert len(pick_messages(out)) == 1


async def test_a_fence_that_was_never_dispatched_is_dropped_and_alerted(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    run, other = await given.run(), await given.run()
    strange = replace(run, fence=other.fence).succeeded()
    nowhere = replace(run, job=other.fence).succeeded()
    out = await results.persist(strange, nowhere)
    assert (await given.job(run))["status"] == "PENDING"
    assert states(pick_messages(out)) == ["PENDING"]
    assert b"msaas_result_fences_unknown_total{" in results.metrics.render()
    assert 'environment="test",service="jobs"} 2.0' in results.metrics.render().decode()


async def test_a_success_of_an_older_run_is_accepted_and_the_other_run_is_cancelled(
    given: Given, results: ResultsHarness, pick_messages: PickMessages, charges: ReadCharges
) -> None:
    run = await given.run()
    await results.persist(run.started(), run.lost(LossReason.RECLAIMED))
    again = await given.next_run(run)
    await results.persist(again.started())
    out = await results.persist(run.succeeded())
    assert (await given.job(run))["status"] == "COMPLETED"
    assert (await given.attempt(run))["outcome"] == "succeeded"
    [stop] = pick_messages(out, CancelRequested)
    assert (stop.job_id, stop.fence) == (run.job, again.fence)
    assert results.workers.withdrawn == [("jobs.generic", ["2-2"])]
    assert len(charges(out)) == 1
    out = await results.persist(again.failed("cancelled"))
    assert (await given.attempt(again))["outcome"] == "cancelled"
    assert (await given.job(run))["status"] == "COMPLETED"


async def test_a_success_after_the_end_changes_nothing(
    given: Given, results: ResultsHarness, charges: ReadCharges
) -> None:
    run = await given.run()
    await results.persist(run.failed(retryable=False))
    before = await given.job(run)
    out = await results.persist(run.succeeded())
    assert await given.job(run) == before
    assert charges(out) == []
    assert await given.counted(run) == (0, 0)


async def test_a_failure_of_an_older_run_updates_its_attempt_only(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    again = await given.next_run(run)
    before = await given.job(run)
    await results.persist(run.failed())
    assert await given.job(run) == before
    assert (await given.attempt(run))["outcome"] == "failed"
    assert (await given.attempt(again))["outcome"] is None


async def test_a_retryable_failure_goes_back_to_pending_with_backoff(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    run = await given.run()
    before = datetime.now(UTC)
    out = await results.persist(run.started(), run.failed())
    job = await given.job(run)
    assert (job["status"], job["attempts"], job["fence"]) == ("PENDING", 1, None)
    assert (job["dispatched_at"], job["entry_id"], job["lease_until"]) == (None, None, None)
    assert timedelta(seconds=1) <= job["run_at"] - before < timedelta(seconds=5)
    assert await given.counted(run) == (0, 1)
    assert [(message.frame.status, message.frame.last_error) for message in pick_messages(out)] == [
        (JobStatus.PENDING, "too slow")
    ]


async def test_out_of_budget_the_failed_row_is_the_dead_letter(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    for _ in range(2):
        await results.persist(run.failed())
        run = await given.next_run(run)
    await results.persist(run.failed())
    job = await given.job(run)
    assert (job["status"], job["failure_reason"], job["attempts"]) == ("FAILED", "timeout", 3)
    assert await given.counted(run) == (0, 0)
    assert job["payload"] is not None


async def test_what_cannot_be_retried_fails_at_once(given: Given, results: ResultsHarness) -> None:
    run = await given.run()
    await results.persist(run.failed("invalid_payload", retryable=False, begun=False))
    assert (await given.job(run))["failure_reason"] == "invalid_payload"


@pytest.mark.parametrize(
    ("reason", "losses"),
    [(LossReason.STALE, 0), (LossReason.DRAINED, 0), (LossReason.RECLAIMED, 1)],
)
async def test_a_lost_run_goes_back_to_pending(
    given: Given, results: ResultsHarness, reason: LossReason, losses: int
) -> None:
    run = await given.run()
    await results.persist(run.lost(reason))
    job, attempt = await given.job(run), await given.attempt(run)
    assert (job["status"], job["losses"], job["attempts"]) == ("PENDING", losses, 0)
    assert (job["fence"], job["dispatched_at"]) == (None, None)
    assert (attempt["outcome"], attempt["reason"]) == ("lost", reason)
    assert results.freed_slots == 1


async def test_a_task_marked_once_that_was_lost_after_started_fails(
    given: Given, make_results: MakeResults
) -> None:
    run, results = await given.run(), make_results(once=["echo"])
    await results.persist(run.started())
    await results.persist(run.lost(LossReason.RECLAIMED))
    assert (await given.job(run))["failure_reason"] == "lost_worker"
    assert await given.counted(run) == (0, 0)


async def test_a_job_has_its_own_cap_on_losses(given: Given, results: ResultsHarness) -> None:
    run = await given.run()
    for _ in range(5):
        await results.persist(run.lost(LossReason.RECLAIMED))
        assert (await given.job(run))["status"] == "PENDING"
        run = await given.next_run(run)
    await results.persist(run.lost(LossReason.RECLAIMED))
    job = await given.job(run)
    assert (job["status"], job["failure_reason"], job["losses"]) == ("FAILED", "lost_worker", 6)


async def test_the_report_of_an_ended_lease_is_dropped_if_the_lease_was_renewed(
    given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    await results.persist(run.started())
    ended = (await given.job(run))["lease_until"]
    await results.persist(run.heartbeat())
    await results.persist(run.lost(LossReason.LEASE_EXPIRED, ended))
    assert (await given.job(run))["status"] == "RUNNING"
    assert (await given.attempt(run))["outcome"] is None
    renewed = (await given.job(run))["lease_until"]
    await results.persist(run.lost(LossReason.LEASE_EXPIRED, renewed))
    assert (await given.job(run))["status"] == "PENDING"


@pytest.mark.parametrize("how", ["report", "failure", "loss"])
async def test_a_running_job_is_cancelled_on_report_or_loss(
    given: Given, results: ResultsHarness, how: str
) -> None:
    run = await given.run()
    await results.persist(run.started())
    await given.request_cancel(run)
    reports = {
        "report": run.failed("cancelled", retryable=False),
        "failure": run.failed(),
        "loss": run.lost(LossReason.STALE),
    }
    await results.persist(reports[how])
    job = await given.job(run)
    assert (job["status"], job["failure_reason"]) == ("CANCELLED", "cancelled")
    assert await given.counted(run) == (0, 0)


async def test_a_success_that_commits_before_the_cancel_wins_and_is_charged(
    given: Given, results: ResultsHarness, charges: ReadCharges
) -> None:
    run = await given.run()
    await results.persist(run.started())
    await given.request_cancel(run)
    assert len(charges(await results.persist(run.succeeded()))) == 1
    await results.persist(run.failed("cancelled"))
    assert (await given.job(run))["status"] == "COMPLETED"
    assert await given.counted(run) == (1, 0)


async def test_the_worker_of_a_cancelled_job_is_requested_to_stop(
    given: Given, results: ResultsHarness, rows: asyncpg.Connection, pick_messages: PickMessages
) -> None:
    """The job was cancelled while it waited, and a run had begun without a report yet."""
    run = await given.run()
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'CANCELLED', finished_at = now(), reserved = false"
    )
    out = await results.persist(run.started())
    [stop] = pick_messages(out, CancelRequested)
    assert stop.fence == run.fence


async def test_a_repeated_report_is_answered_with_the_current_row(
    given: Given, results: ResultsHarness, charges: ReadCharges, pick_messages: PickMessages
) -> None:
    run = await given.run()
    first = await results.persist(run.started(), run.succeeded())
    row = await given.job(run)
    again = await results.persist(run.started(), run.succeeded())
    assert await given.job(run) == row
    assert charges(again) == charges(first)
    assert pick_messages(again) == pick_messages(first)
    assert [message.id for message in again] == [item.id for item in first]
    assert derive_id(run.job, row["version"]) in {message.id for message in again}
    assert await given.counted(run) == (1, 0)


async def test_each_kind_of_end_is_counted(given: Given, results: ResultsHarness) -> None:
    done, failed, _ = await given.runs(3)
    await results.persist(done.succeeded(), failed.failed("timeout", retryable=False))
    shown = results.metrics.render().decode()
    assert 'failure_reason="",service="jobs",status="COMPLETED"} 1.0' in shown
    assert 'failure_reason="timeout",service="jobs",status="FAILED"} 1.0' in shown
    assert (
        'msaas_job_end_to_end_seconds_count{environment="test",service="jobs",task_type="echo"} 1.0'
        in shown
    )
