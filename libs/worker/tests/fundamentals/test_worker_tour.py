"""How to implement a task: an action, its result, its failures and its progress."""

import asyncio

from worker_support import OpenWorker, ScriptedAction

from msaas.contracts import CancelRequested, EchoParams, EchoResult
from msaas.testing import FakeJobsService, wait_until
from msaas.worker import ActionFailed, RunContext


class Shout:
    """An action has a task type and `run`, which takes decoded parameters and returns a model."""

    task_type = "echo"

    async def run(self, run: RunContext) -> EchoResult:
        assert isinstance(run.params, EchoParams)
        if not run.params.message:
            raise ActionFailed("nothing_to_shout", "There is nothing to shout.", retryable=False)
        await run.raise_if_cancelled()
        await run.report_progress(50, "half done")
        return EchoResult(message=run.params.message.upper())


async def test_an_action_returns_the_result_of_its_job(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    open_worker(Shout())
    envelope = await jobs_service.send(payload={"message": "hello"})
    assert (await jobs_service.wait_for_outcome(envelope)).result == {"message": "HELLO"}


async def test_an_action_fails_with_a_message_for_the_user(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    open_worker(Shout())
    outcome = await jobs_service.wait_for_outcome(await jobs_service.send(payload={"message": ""}))
    assert (outcome.failure_reason, outcome.last_error, outcome.retryable) == (
        "nothing_to_shout",
        "There is nothing to shout.",
        False,
    )


async def test_an_action_needs_no_code_to_be_cancelled(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    async def work(_run: RunContext) -> None:
        await asyncio.Event().wait()

    action = ScriptedAction(work)
    open_worker(action)
    envelope = await jobs_service.send()
    await action.started.wait()
    await jobs_service.mark_cancelled(envelope)
    request = CancelRequested(job_id=envelope.job_id)
    await jobs_service.messenger.publisher.publish("jobs.control", request, correlation_id="tour")
    assert (await jobs_service.wait_for_outcome(envelope)).failure_reason == "cancelled"


async def test_an_action_can_report_progress(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    received = asyncio.Event()

    async def work(run: RunContext) -> dict[str, str]:
        await run.report_progress(30, "page 3 of 10")
        await received.wait()
        return {"message": "done"}

    open_worker(ScriptedAction(work))
    envelope = await jobs_service.send()
    await wait_until(lambda: "JobProgressed" in jobs_service.list_message_types(envelope))
    received.set()
    await jobs_service.wait_for_outcome(envelope)
    assert jobs_service.list_message_types(envelope) == [
        "JobStarted",
        "JobProgressed",
        "JobSucceeded",
    ]
