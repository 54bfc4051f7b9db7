"""Models, people and ceilings that end a run early: each with its reason, and nothing is left open.

The runs of a test go on side by side: what each meets is said by its question.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
import pytest_asyncio
from services.agents.tests.engine_support import Engine, running_agents
from services.agents.tests.support.no_memory import NoEmbedder, NoMemory
from services.agents.tests.support.scripted_models import ScriptedModels, ScriptedReply
from services.agents.tests.support.two_calls import AskAboutTools, TwoCalls

from msaas.agents.bootstrap import Parts
from msaas.agents.domain.models import ModelRequest
from msaas.contracts import ApproveStep, Plan, ResumeRun
from msaas.messaging import CommandRefused
from msaas.testing import wait_until


def script(request: ModelRequest, _number: int) -> ScriptedReply:
    text = request.messages[-1].text
    if "stalls" in text:
        return ScriptedReply(stall=True)
    if "away" in text:
        return ScriptedReply(unavailable=True)
    if "refuses" in text:
        return ScriptedReply(answer="I will not.", finish="refused")
    return ScriptedReply(answer=f"{request.purpose}: {text}")


@pytest.fixture
def models() -> ScriptedModels:
    return ScriptedModels(script)


@pytest_asyncio.fixture
async def agents(engine: Engine, models: ScriptedModels) -> AsyncIterator[None]:
    parts = Parts(
        models=models,
        embedder=NoEmbedder(),
        memory=NoMemory(),
        workflows=[TwoCalls()],
        policy=AskAboutTools,
    )
    async with running_agents(engine, parts):
        yield


async def result_of(engine: Engine, run_id: UUID) -> dict[str, Any]:
    job = await engine.wait_for_end(run_id)
    assert job["status"] == "COMPLETED", (job["failure_reason"], job["last_error"])
    return orjson.loads(job["result"])


@pytest.mark.usefixtures("agents")
async def test_models_that_fail_and_ceilings_end_a_run_with_their_reason(
    engine: Engine, models: ScriptedModels
) -> None:
    async def refusing() -> None:
        user_id, run_id = await engine.submit(question="it refuses")
        await engine.answer(user_id, run_id, colour="red")
        assert "I will not. 0" in (await result_of(engine, run_id))["answer"]

    async def away() -> None:
        _, run_id = await engine.submit(question="it is away")
        job = await engine.wait_for_end(run_id)
        assert (job["status"], job["failure_reason"]) == ("FAILED", "models_unavailable")
        assert job["attempts"] == job["max_attempts"]
        run = await engine.wait_for_state(run_id, "failed")
        assert run["failure_reason"] == "models_unavailable"
        requests = [each for each in models.requests if "away" in each.messages[-1].text]
        assert len(requests) == job["max_attempts"]

    async def out_of_tokens() -> None:
        _, run_id = await engine.submit(question="few tokens", ceilings={"tokens": 30})
        result = await result_of(engine, run_id)
        assert (result["partial"], result["partial_reason"]) == (True, "ceiling_tokens")
        assert (await engine.run(run_id))["tokens_reserved"] == 0

    async def out_of_steps() -> None:
        _, run_id = await engine.submit(question="few steps", ceilings={"steps": 2})
        result = await result_of(engine, run_id)
        assert (result["partial"], result["partial_reason"]) == (True, "ceiling_steps")
        assert result["answer"].endswith("few steps 1"), "the evidence so far"
        assert (result["spend"]["steps"], result["spend"]["child_jobs"]) == (2, 2)

    await asyncio.gather(refusing(), away(), out_of_tokens(), out_of_steps())


@pytest.mark.usefixtures("agents")
async def test_a_cancelled_run_stops_wherever_it_is(engine: Engine) -> None:
    async def waiting() -> None:
        user_id, run_id = await engine.submit(question="it waits")
        question = await engine.wait_for_question(run_id)
        await engine.wait_for_state(run_id, "waiting")
        await engine.cancel(user_id, run_id)
        assert (await engine.wait_for_end(run_id))["status"] == "CANCELLED"
        await engine.wait_for_state(run_id, "cancelled")
        assert await state_of(engine, question["id"]) == "expired"
        with pytest.raises(CommandRefused):
            await engine.call("agents.commands", resume(user_id, question, colour="red"))

    async def calling() -> None:
        user_id, run_id = await engine.submit(question="it stalls")
        sql = "SELECT count(*) = 1 FROM agents.llm_calls WHERE run_id = $1"
        await wait_until(lambda: engine.rows.fetchval(sql, run_id), timeout=90)
        await engine.cancel(user_id, run_id)
        assert (await engine.wait_for_end(run_id))["status"] == "CANCELLED"
        run = await engine.wait_for_state(run_id, "cancelled")
        assert run["tokens_reserved"] == 0, "what the call may have cost counts as spent"
        assert run["tokens_lost"] > 0

    await asyncio.gather(waiting())
    await asyncio.gather(calling())


@pytest.mark.usefixtures("agents")
async def test_a_question_is_answered_once_by_its_user_in_the_form_that_it_has(
    engine: Engine,
) -> None:
    user_id, run_id = await engine.submit(question="it asks")
    question = await engine.wait_for_question(run_id)
    refused = {
        "validation_failed": resume(user_id, question, colour=7),
        "not_found": resume(await engine.add_user(), question, colour="red"),
        "conflict": ApproveStep(
            run_id=run_id, user_id=user_id, approval_id=question["id"], approved=True
        ),
    }
    for code, command in refused.items():
        with pytest.raises(CommandRefused) as caught:
            await engine.call("agents.commands", command)
        assert caught.value.problem.code == code
    missing = ResumeRun(run_id=uuid4(), user_id=user_id, approval_id=question["id"], answer={})
    with pytest.raises(CommandRefused):
        await engine.call("agents.commands", missing)
    for colour in ("red", "blue"):
        reply = await engine.call("agents.commands", resume(user_id, question, colour=colour))
        assert reply.data == {"state": "answered"}
    assert "red" in (await result_of(engine, run_id))["answer"]


@pytest.mark.usefixtures("agents")
async def test_a_person_allows_what_the_policy_does_not(engine: Engine) -> None:
    async def decided(approved: bool) -> str:  # noqa: FBT001  # a table's column
        user_id, run_id = await engine.submit(question="it needs approval")
        await engine.decide(user_id, run_id, approved=approved)
        await engine.answer(user_id, run_id, colour="red")
        return (await result_of(engine, run_id))["answer"]

    async def blocked() -> str:
        user_id, run_id = await engine.submit(question="it is blocked")
        await engine.answer(user_id, run_id, colour="red")
        result = await result_of(engine, run_id)
        assert result["spend"]["child_jobs"] == 0
        return result["answer"]

    async def expired() -> str:
        _, run_id = await engine.submit(question="it expires", plan=Plan.FREE)
        return (await result_of(engine, run_id))["answer"]

    answers = await asyncio.gather(decided(True), decided(False), blocked(), expired())  # noqa: FBT003  # see above
    assert "approval 1" in answers[0]
    assert "approval_denied" in answers[1]
    assert answers[2].count("text_from_page") == 2
    assert answers[3].endswith("none")


def resume(user_id: UUID, question: asyncpg.Record, **answer: object) -> ResumeRun:
    return ResumeRun(
        run_id=question["run_id"], user_id=user_id, approval_id=question["id"], answer=answer
    )


async def state_of(engine: Engine, approval_id: UUID) -> str:
    sql = "SELECT state FROM agents.approvals WHERE id = $1"
    return await engine.rows.fetchval(sql, approval_id)
