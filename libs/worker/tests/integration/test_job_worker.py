"""Every way in which a run can begin and end, on a real wire."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from msaas.contracts import CancelRequested
from msaas.testing import wait_until
from msaas.worker import ActionFailed, Run


async def forever(_run: Run) -> None:
    await asyncio.Event().wait()


async def test_a_job_is_started_and_its_result_takes_the_entrys_place(
    owner: Any, open_worker: Any, script: Any
) -> None:
    open_worker(script())
    envelope = await owner.send()
    verdict = await owner.verdict(envelope)
    assert owner.names(envelope) == ["JobStarted", "JobSucceeded"]
    assert verdict.result == {"message": "hello"}
    assert verdict.fence == envelope.fence
    assert verdict.started_at <= verdict.finished_at
    key = "jobs.generic"
    wire, publisher = owner.messenger.station.wire, owner.messenger.publisher

    async def gone() -> bool:
        return await wire.depth(publisher.get_key(key)) == 0

    await wait_until(gone)


async def test_fifty_runs_share_a_process(owner: Any, open_worker: Any, script: Any) -> None:
    together = asyncio.Barrier(50)

    async def meet(_run: Run) -> dict[str, str]:
        await together.wait()
        return {"message": "met"}

    open_worker(script(meet), slots=50)
    envelopes = await asyncio.gather(*(owner.send() for _ in range(50)))
    verdicts = await asyncio.gather(*(owner.verdict(envelope) for envelope in envelopes))
    assert {type(one).__name__ for one in verdicts} == {"JobSucceeded"}


async def test_a_job_that_was_cancelled_before_pick_up_does_not_begin(
    owner: Any, open_worker: Any, script: Any
) -> None:
    envelope = await owner.send()
    await owner.messenger.mark_cancelled([envelope.job_id], timedelta(seconds=60))
    action = script()
    open_worker(action)
    verdict = await owner.verdict(envelope)
    assert (verdict.failure_reason, verdict.retryable) == ("cancelled", False)
    assert action.begun == 0
    assert owner.names(envelope) == ["JobFailed"]


@pytest.mark.parametrize("names_the_fence", [True, False])
async def test_a_broadcast_ends_the_run_that_it_means_and_no_other(
    owner: Any, open_worker: Any, script: Any, *, names_the_fence: bool
) -> None:
    action = script(forever)
    open_worker(action)
    envelope, other = await owner.send(), await owner.send()
    await wait_until(lambda: action.begun == 2)
    fences = [uuid4(), envelope.fence if names_the_fence else None]
    for fence in fences:
        request = CancelRequested(job_id=envelope.job_id, fence=fence)
        await owner.messenger.publisher.publish("jobs.control", request, correlation_id="c")
    verdict = await owner.verdict(envelope)
    assert (verdict.failure_reason, verdict.retryable) == ("cancelled", False)
    assert "JobFailed" not in owner.names(other)


async def test_between_steps_a_run_sees_that_its_job_was_cancelled(
    owner: Any, open_worker: Any, script: Any
) -> None:
    marked = asyncio.Event()

    async def step(run: Run) -> None:
        await marked.wait()
        await run.check()

    action = script(step)
    open_worker(action)
    envelope = await owner.send()
    await action.began.wait()
    await owner.messenger.mark_cancelled([envelope.job_id], timedelta(seconds=60))
    marked.set()
    assert (await owner.verdict(envelope)).failure_reason == "cancelled"


async def test_time_ends_a_run_for_good_only_where_it_was_the_jobs_own_deadline(
    owner: Any, open_worker: Any, script: Any
) -> None:
    open_worker(script(forever))
    soon = datetime.now(UTC) + timedelta(seconds=1)
    verdict = await owner.verdict(await owner.send(meta={"deadline_ts": soon}))
    assert (verdict.failure_reason, verdict.retryable) == ("timeout", False)
    past = datetime.now(UTC) - timedelta(seconds=1)
    late = await owner.send(meta={"deadline_ts": past})
    assert (await owner.verdict(late)).failure_reason == "timeout"
    assert owner.names(late) == ["JobFailed"]


async def test_an_action_that_runs_into_a_timeout_of_its_own_may_be_tried_again(
    owner: Any, open_worker: Any, script: Any
) -> None:
    async def late(_run: Run) -> None:
        raise TimeoutError

    open_worker(script(late))
    verdict = await owner.verdict(await owner.send())
    assert (verdict.failure_reason, verdict.retryable) == ("timeout", True)


async def test_an_envelope_that_is_too_old_is_given_back(
    owner: Any, open_worker: Any, script: Any
) -> None:
    action = script()
    open_worker(action)
    soon = datetime.now(UTC) + timedelta(seconds=30)
    verdict = await owner.verdict(await owner.send(meta={"valid_until": soon}))
    assert (type(verdict).__name__, verdict.reason) == ("JobLost", "stale")
    assert action.begun == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"payload": {"message": 7}}, "invalid_payload"),
        ({"payload": {}}, "invalid_payload"),
        ({"task_type": "never_heard_of"}, "unknown_task"),
        ({"task_type": "navigate_and_extract_text"}, "unknown_task"),
    ],
)
async def test_what_cannot_be_run_fails_for_good(
    owner: Any, open_worker: Any, script: Any, fields: dict[str, Any], reason: str
) -> None:
    open_worker(script())
    verdict = await owner.verdict(await owner.send(**fields))
    assert (verdict.failure_reason, verdict.retryable) == (reason, False)


async def test_an_action_says_why_it_failed_and_whether_to_try_again(
    owner: Any, open_worker: Any, script: Any
) -> None:
    async def fail(_run: Run) -> None:
        raise ActionFailed("navigation_failed", "No such page.", retryable=True)

    open_worker(script(fail))
    verdict = await owner.verdict(await owner.send())
    assert (verdict.failure_reason, verdict.last_error) == ("navigation_failed", "No such page.")
    assert verdict.retryable


async def test_an_unexpected_failure_tells_nothing_of_its_words(
    owner: Any, open_worker: Any, script: Any
) -> None:
    async def explode(_run: Run) -> None:
        raise RuntimeError("password=hunter2")

    open_worker(script(explode))
    verdict = await owner.verdict(await owner.send())
    assert (verdict.failure_reason, verdict.retryable) == ("internal", True)
    assert "hunter2" not in verdict.model_dump_json()


@pytest.mark.parametrize(
    ("result", "reason"), [({"message": "x" * 10_001}, "internal"), ({}, "internal")]
)
async def test_a_result_that_breaks_its_own_model_is_a_failure(
    owner: Any, open_worker: Any, script: Any, result: dict[str, Any], reason: str
) -> None:
    async def answer(_run: Run) -> dict[str, Any]:
        return result

    open_worker(script(answer))
    assert (await owner.verdict(await owner.send())).failure_reason == reason


async def test_a_worker_that_drains_hands_its_runs_back_uncounted(
    owner: Any, open_worker: Any, script: Any
) -> None:
    action = script(forever)
    messenger, running = open_worker(action)
    envelope = await owner.send()
    await action.began.wait()
    messenger.drain()
    await running
    verdict = await owner.verdict(envelope)
    assert (type(verdict).__name__, verdict.reason) == ("JobLost", "drained")


async def test_progress_of_one_moment_is_told_once_and_the_last_word_wins(
    owner: Any, open_worker: Any, script: Any
) -> None:
    heard = asyncio.Event()

    async def chatter(run: Run) -> dict[str, str]:
        for percent in range(100):
            await run.progress(percent, "…")
        await heard.wait()
        return {"message": "done"}

    open_worker(script(chatter))
    envelope = await owner.send()
    await wait_until(lambda: "JobProgressed" in owner.names(envelope))
    heard.set()
    await owner.verdict(envelope)
    [told] = [one for one in owner.heard if type(one).__name__ == "JobProgressed"]
    assert told.progress.percent == 99
