"""How to give the fleet a new kind of work: an action, and one way to say how it went."""

import asyncio
from datetime import timedelta
from typing import Any

from msaas.contracts import CancelRequested, EchoParams, EchoResult
from msaas.testing import wait_until
from msaas.worker import ActionFailed, Run


class Shout:
    """An action is a class with `run`; it gets decoded parameters and answers with a model."""

    async def run(self, run: Run) -> EchoResult:
        assert isinstance(run.params, EchoParams)
        if not run.params.message:
            raise ActionFailed("nothing_to_shout", "There is nothing to shout.", retryable=False)
        await run.check()
        await run.progress(50, "drawing breath")
        return EchoResult(message=run.params.message.upper())


async def test_an_action_answers_with_the_result_of_its_job(owner: Any, open_worker: Any) -> None:
    open_worker(Shout())
    envelope = await owner.send(payload={"message": "hello"})
    assert (await owner.verdict(envelope)).result == {"message": "HELLO"}


async def test_an_action_says_in_the_users_words_what_went_wrong(
    owner: Any, open_worker: Any
) -> None:
    open_worker(Shout())
    verdict = await owner.verdict(await owner.send(payload={"message": ""}))
    assert (verdict.failure_reason, verdict.last_error, verdict.retryable) == (
        "nothing_to_shout",
        "There is nothing to shout.",
        False,
    )


async def test_an_action_needs_no_code_to_be_cancelled(
    owner: Any, open_worker: Any, script: Any
) -> None:
    async def work(_run: Run) -> None:
        await asyncio.Event().wait()

    action = script(work)
    open_worker(action)
    envelope = await owner.send()
    await action.began.wait()
    await owner.messenger.mark_cancelled([envelope.job_id], timedelta(seconds=60))
    request = CancelRequested(job_id=envelope.job_id)
    await owner.messenger.publisher.publish("jobs.control", request, correlation_id="tour")
    assert (await owner.verdict(envelope)).failure_reason == "cancelled"


async def test_an_action_can_say_how_far_it_is(owner: Any, open_worker: Any, script: Any) -> None:
    heard = asyncio.Event()

    async def work(run: Run) -> dict[str, str]:
        await run.progress(30, "page 3 of 10")
        await heard.wait()
        return {"message": "done"}

    open_worker(script(work))
    envelope = await owner.send()
    await wait_until(lambda: "JobProgressed" in owner.names(envelope))
    heard.set()
    await owner.verdict(envelope)
    assert owner.names(envelope) == ["JobStarted", "JobProgressed", "JobSucceeded"]
