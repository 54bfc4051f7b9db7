"""Every way in which a run can start and end, on a real Redis."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from worker_support import OpenWorker, ScriptedAction

from msaas.contracts import CancelRequested, JobProgressed, get_task
from msaas.kernel import SystemClock
from msaas.testing import FakeJobsService, wait_until
from msaas.worker import ActionFailed, RunContext


async def forever(_run: RunContext) -> None:
    await asyncio.Event().wait()


async def test_a_finished_job_leaves_no_entry_on_its_topic(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    open_worker(ScriptedAction())
    envelope = await jobs_service.send()
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert jobs_service.list_message_types(envelope) == ["JobStarted", "JobSucceeded"]
    assert outcome.result == {"message": "hello"}
    assert outcome.fence == envelope.fence
    assert outcome.started_at <= outcome.finished_at
    broker, publisher = jobs_service.messenger.context.broker, jobs_service.messenger.publisher

    async def gone() -> bool:
        return await broker.depth(publisher.get_stream_key("jobs.generic")) == 0

    await wait_until(gone)


async def test_fifty_runs_share_a_process(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    together = asyncio.Barrier(50)

    async def meet(_run: RunContext) -> dict[str, str]:
        await together.wait()
        return {"message": "met"}

    open_worker(ScriptedAction(meet), slots=50)
    envelopes = await asyncio.gather(*(jobs_service.send() for _ in range(50)))
    outcomes = await asyncio.gather(
        *(jobs_service.wait_for_outcome(envelope) for envelope in envelopes)
    )
    assert {type(message).__name__ for message in outcomes} == {"JobSucceeded"}


async def test_a_job_that_was_cancelled_before_pick_up_does_not_begin(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    envelope = await jobs_service.send()
    await jobs_service.mark_cancelled(envelope)
    action = ScriptedAction()
    open_worker(action)
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert (outcome.failure_reason, outcome.retryable) == ("cancelled", False)
    assert action.run_count == 0
    assert jobs_service.list_message_types(envelope) == ["JobFailed"]


@pytest.mark.parametrize("names_the_fence", [True, False])
async def test_a_cancellation_ends_its_own_run_only(
    jobs_service: FakeJobsService, open_worker: OpenWorker, *, names_the_fence: bool
) -> None:
    action = ScriptedAction(forever)
    open_worker(action)
    envelope, other = await jobs_service.send(), await jobs_service.send()
    await wait_until(lambda: action.run_count == 2)
    fences = [uuid4(), envelope.fence if names_the_fence else None]
    for fence in fences:
        request = CancelRequested(job_id=envelope.job_id, fence=fence)
        await jobs_service.messenger.publisher.publish("jobs.control", request, correlation_id="c")
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert (outcome.failure_reason, outcome.retryable) == ("cancelled", False)
    assert "JobFailed" not in jobs_service.list_message_types(other)


async def test_a_run_finds_a_cancellation_between_steps(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    marked = asyncio.Event()

    async def step(run: RunContext) -> None:
        await marked.wait()
        await run.raise_if_cancelled()

    action = ScriptedAction(step)
    open_worker(action)
    envelope = await jobs_service.send()
    await action.started.wait()
    await jobs_service.mark_cancelled(envelope)
    marked.set()
    assert (await jobs_service.wait_for_outcome(envelope)).failure_reason == "cancelled"


async def test_only_the_jobs_own_deadline_fails_it_permanently(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    open_worker(ScriptedAction(forever))
    soon = datetime.now(UTC) + timedelta(seconds=1)
    outcome = await jobs_service.wait_for_outcome(
        await jobs_service.send(meta={"deadline_ts": soon})
    )
    assert (outcome.failure_reason, outcome.retryable) == ("timeout", False)
    past = datetime.now(UTC) - timedelta(seconds=1)
    late = await jobs_service.send(meta={"deadline_ts": past})
    assert (await jobs_service.wait_for_outcome(late)).failure_reason == "timeout"
    assert jobs_service.list_message_types(late) == ["JobFailed"]


async def test_a_timeout_inside_the_action_is_retryable(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    async def late(_run: RunContext) -> None:
        raise TimeoutError

    open_worker(ScriptedAction(late))
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send())
    assert (outcome.failure_reason, outcome.retryable) == ("timeout", True)


class SkewedClock(SystemClock):
    """The clock of a host that is wrong by some minutes."""

    def __init__(self, minutes: int) -> None:
        self._lead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self._lead


@pytest.mark.parametrize("deadline_minutes", [None, 5])
async def test_a_worker_whose_clock_is_nine_minutes_ahead_runs_a_fresh_envelope(
    jobs_service: FakeJobsService, open_worker: OpenWorker, deadline_minutes: int | None
) -> None:
    action, now = ScriptedAction(), datetime.now(UTC)
    open_worker(action, clock=SkewedClock(9))
    meta = {
        "valid_until": now + get_task("echo").valid_for,
        "deadline_ts": deadline_minutes and now + timedelta(minutes=deadline_minutes),
    }
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send(meta=meta))
    assert type(outcome).__name__ == "JobSucceeded"


async def test_a_worker_whose_clock_is_behind_does_not_run_an_old_envelope(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    action = ScriptedAction()
    open_worker(action, clock=SkewedClock(-9))
    meta = {"valid_until": datetime.now(UTC)}
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send(meta=meta))
    assert (type(outcome).__name__, action.run_count) == ("JobLost", 0)


async def test_an_envelope_that_is_too_old_is_reported_as_lost(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    action = ScriptedAction()
    open_worker(action)
    soon = datetime.now(UTC) + timedelta(seconds=30)
    outcome = await jobs_service.wait_for_outcome(
        await jobs_service.send(meta={"valid_until": soon})
    )
    assert (type(outcome).__name__, outcome.reason) == ("JobLost", "stale")
    assert action.run_count == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"payload": {"message": 7}}, "invalid_payload"),
        ({"payload": {}}, "invalid_payload"),
        ({"task_type": "never_heard_of"}, "unknown_task"),
        ({"task_type": "navigate_and_extract_text"}, "unknown_task"),
    ],
)
async def test_an_unknown_task_or_invalid_payload_fails_permanently(
    jobs_service: FakeJobsService, open_worker: OpenWorker, fields: dict[str, Any], reason: str
) -> None:
    open_worker(ScriptedAction())
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send(**fields))
    assert (outcome.failure_reason, outcome.retryable) == (reason, False)


async def test_an_action_reports_its_failure_and_whether_to_retry(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    async def fail(_run: RunContext) -> None:
        raise ActionFailed("navigation_failed", "No such page.", retryable=True)

    open_worker(ScriptedAction(fail))
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send())
    assert (outcome.failure_reason, outcome.last_error) == ("navigation_failed", "No such page.")
    assert outcome.retryable


async def test_an_unexpected_error_does_not_disclose_its_message(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    async def explode(_run: RunContext) -> None:
        raise RuntimeError("password=hunter2")

    with capture_logs() as logs:
        open_worker(ScriptedAction(explode))
        outcome = await jobs_service.wait_for_outcome(await jobs_service.send())
    assert (outcome.failure_reason, outcome.retryable) == ("internal", True)
    assert "hunter2" not in outcome.model_dump_json()
    [crashed] = [event for event in logs if event["event"] == "job_run_crashed"]
    assert crashed["error_type"] == "RuntimeError"
    assert any(frame.startswith("explode:") for frame in crashed["raised_in"])
    assert "hunter2" not in str(logs)


@pytest.mark.parametrize(
    ("result", "reason"), [({"message": "x" * 10_001}, "internal"), ({}, "internal")]
)
async def test_an_invalid_result_is_a_failure(
    jobs_service: FakeJobsService, open_worker: OpenWorker, result: dict[str, Any], reason: str
) -> None:
    async def answer(_run: RunContext) -> dict[str, Any]:
        return result

    open_worker(ScriptedAction(answer))
    assert (await jobs_service.wait_for_outcome(await jobs_service.send())).failure_reason == reason


async def test_a_draining_worker_reports_its_runs_as_lost(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    action = ScriptedAction(forever)
    messenger, running = open_worker(action)
    envelope = await jobs_service.send()
    await action.started.wait()
    messenger.drain()
    await running
    outcome = await jobs_service.wait_for_outcome(envelope)
    assert (type(outcome).__name__, outcome.reason) == ("JobLost", "drained")


async def test_of_many_progress_reports_only_the_last_is_sent(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    received = asyncio.Event()

    async def chatter(run: RunContext) -> dict[str, str]:
        for percent in range(100):
            await run.report_progress(percent, "…")
        await received.wait()
        return {"message": "done"}

    open_worker(ScriptedAction(chatter))
    envelope = await jobs_service.send()
    await wait_until(lambda: "JobProgressed" in jobs_service.list_message_types(envelope))
    received.set()
    await jobs_service.wait_for_outcome(envelope)
    [message] = [found for found in jobs_service.received if isinstance(found, JobProgressed)]
    assert message.progress.percent == 99
