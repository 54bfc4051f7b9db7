"""A node that is run again repeats no effect and has the same outcome."""

from collections.abc import Mapping
from typing import Any

import pytest
from services.agents.tests.support.fake_context import (
    FakeContext,
    FakePage,
    make_run,
    run_workflow,
)

from msaas.agents.domain.models import ModelRequest
from msaas.agents.workflows import build_workflows

URL = "https://lights.example/"
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "research": {"question": "What?", "seeds": [URL]},
    "extract": {"urls": [URL], "instruction": "x", "output_schema": {"properties": {"a": {}}}},
    "monitor": {"name": "lights", "url": URL},
}


def _answer(request: ModelRequest) -> str | Mapping[str, Any]:
    if request.json_schema is None:
        return "\n".join(f"{text} [{at}]" for at, text in enumerate(request.passages, start=1))
    if request.purpose == "plan":
        return {"questions": ["What?"], "open": [URL]}
    quotes = [{"quote": text, "pointer": "/a", "value": text} for text in request.passages[:1]]
    if request.json_schema["title"] == "values":
        return {"values": quotes}
    return {"findings": quotes, "enough": False}


@pytest.mark.parametrize("workflow_type", ["research", "extract", "monitor"])
async def test_a_run_that_begins_anew_pays_and_submits_nothing_twice(workflow_type: str) -> None:
    workflow = build_workflows()[workflow_type]
    run = make_run(workflow, **PARAMS[workflow_type])
    ctx = FakeContext(
        run, {URL: FakePage("White light. [More](https://lights.example/b)")}, _answer
    )
    first = workflow.result(await run_workflow(workflow, ctx), None)
    requests, submitted = dict(ctx.requests), dict(ctx.submitted)
    again = workflow.result(await run_workflow(workflow, ctx), None)
    assert again == first
    assert (ctx.requests, ctx.submitted) == (requests, submitted)
    assert len(ctx.submitted) >= 1


@pytest.mark.parametrize("workflow_type", ["research", "extract", "monitor"])
def test_a_state_before_the_first_step_has_a_partial_result(workflow_type: str) -> None:
    workflow = build_workflows()[workflow_type]
    state = workflow.initial_state(make_run(workflow, **PARAMS[workflow_type]))
    result = workflow.result(state, "cancelled")
    assert result.model_dump()["partial_reason"] == "cancelled"


def test_each_graph_has_a_fingerprint_of_its_own() -> None:
    workflows = build_workflows().values()
    assert len({workflow.fingerprint for workflow in workflows}) == 3
