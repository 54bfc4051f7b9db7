"""Runs of a workflow, from the command that submits it to its result, through all services."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from services.agents.tests.engine_support import Engine, running_agents
from services.agents.tests.support.no_memory import NoEmbedder, NoMemory
from services.agents.tests.support.two_calls import AllowAll, CountedModels, TwoCalls, read_bill

from msaas.agents.application.ports import ModelGateway
from msaas.agents.bootstrap import Parts


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    return tmp_path / "bill"


def build_parts(models: ModelGateway, **fields: object) -> Parts:
    values: dict[str, Any] = {"workflows": [TwoCalls()], "policy": AllowAll} | fields
    return Parts(models=models, embedder=NoEmbedder(), memory=NoMemory(), **values)


@pytest_asyncio.fixture
async def agents(
    engine: Engine, bill: Path, redis_url_for: Callable[[str], str]
) -> AsyncIterator[None]:
    parts = build_parts(CountedModels(bill))
    async with running_agents(engine, parts, redis_url=redis_url_for("agents")):
        yield


async def test_a_run_ends_with_its_answer_after_children_and_a_question(
    engine: Engine, agents: None, bill: Path
) -> None:
    user_id, run_id = await engine.submit()
    reply = await engine.answer(user_id, run_id, colour="green")
    assert reply.data == {"state": "answered"}
    job = await engine.wait_for_end(run_id)
    assert job["status"] == "COMPLETED", job["last_error"]
    result = orjson.loads(job["result"])
    assert result["answer"] == "wrote: planned 0; planned 1; green"
    assert read_bill(bill) == ["plan", "write"]
    spend = result["spend"]
    assert (spend["model_calls"], spend["repeated_calls"], spend["child_jobs"]) == (2, 0, 2)
    assert (spend["tokens_in"], spend["tokens_out"], spend["cost_micro_usd"]) == (20, 10, 1_400)
    run = await engine.run(run_id)
    assert (run["state"], orjson.loads(run["answer"])) == ("succeeded", result)
