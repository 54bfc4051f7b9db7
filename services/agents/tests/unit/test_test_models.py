"""The models that other tests use: scripted and recorded."""

import asyncio
from pathlib import Path

import pytest
from recorded_models import NotRecorded, RecordedModels
from scripted_models import ScriptedModels, ScriptedReply

from msaas.agents.domain.errors import ModelAnswerInvalid, ModelUnavailable
from msaas.agents.domain.models import ChatMessage, ModelRequest

TEXT = ModelRequest(purpose="write", messages=(ChatMessage("user", "Why?"),), max_tokens=20)
JSON = ModelRequest(
    purpose="read", messages=(ChatMessage("user", "Why?"),), max_tokens=20, json_schema={}
)


async def test_a_script_decides_what_each_call_does() -> None:
    replies = [
        ScriptedReply(answer="one two", token_delay=0.001),
        ScriptedReply(answer={"n": 1}),
        ScriptedReply(garble=True),
        ScriptedReply(unavailable=True),
        ScriptedReply(answer="no", finish="refused"),
        ScriptedReply(answer="long", overflow=True),
        ScriptedReply(stall=True),
    ]
    models = ScriptedModels(lambda _, number: replies[number])
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    assert (await models.complete(TEXT, show)).text == "one two"
    assert shown == ["one ", "two "]
    assert (await models.complete(JSON)).parsed == {"n": 1}
    with pytest.raises(ModelAnswerInvalid):
        await models.complete(JSON)
    with pytest.raises(ModelUnavailable):
        await models.complete(JSON)
    assert (await models.complete(JSON)).parsed is None
    assert (await models.complete(TEXT)).usage.tokens_out > TEXT.max_tokens
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(models.complete(TEXT), 0.01)


async def test_what_was_recorded_is_given_again_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    source = ScriptedModels(lambda _, __: ScriptedReply(answer={"n": 1}))
    recorded = await RecordedModels(path, source).complete(JSON)
    models = RecordedModels(path)
    assert await models.complete(JSON) == recorded
    assert models.bound_cost(JSON)[1] == recorded.cost_micro_usd
    with pytest.raises(NotRecorded, match="write") as caught:
        await models.complete(TEXT)
    assert "Why?" not in str(caught.value)
