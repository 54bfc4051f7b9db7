"""A workflow of two model calls, two child jobs and one question, and models that count calls."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START

from msaas.agents.application.ports import OnToken, Question, Run
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.models import ChatMessage, ModelAnswer, ModelRequest, Purpose, TokenUsage
from msaas.agents.domain.tools import (
    Allowed,
    Blocked,
    NeedsApproval,
    Origin,
    PolicyDecision,
    Tagged,
    ToolCall,
)
from msaas.agents.workflows.graph import Context, new_graph
from msaas.contracts import ResearchParams, ResearchResult, ValueObject

FORM = {
    "type": "object",
    "properties": {"colour": {"type": "string", "maxLength": 20}},
    "required": ["colour"],
    "additionalProperties": False,
}


class State(TypedDict):
    plan: str
    read: list[str]
    colour: str
    answer: str


async def plan(_state: State, runtime: Context) -> dict[str, Any]:
    ctx = runtime.context
    async with ctx.step("plan", "plan", "Plan"):
        answer = await ctx.ask_model("plan", ask("plan", question_of(ctx.run)))
    return {"plan": answer.text}


async def read(state: State, runtime: Context) -> dict[str, Any]:
    ctx = runtime.context
    async with ctx.step("read", "browse", "Read"):
        results = await ctx.call_tools("read", [echo(f"{state['plan']} {n}") for n in range(2)])
    return {"read": [str(each.result.get("message", each.reason)) for each in results]}


async def confirm(_state: State, runtime: Context) -> dict[str, Any]:
    ctx = runtime.context
    async with ctx.step("confirm", "ask", "Ask"):
        soon = datetime.now(UTC) if "expires" in question_of(ctx.run) else None
        question = Question(title="Colour?", text="Which?", form=FORM, expires_at=soon)
        answer = await ctx.ask_person("confirm", question)
    return {"colour": str((answer or {}).get("colour", "none"))}


async def write(state: State, runtime: Context) -> dict[str, Any]:
    ctx = runtime.context
    async with ctx.step("write", "answer", "Write"):
        facts = f"{'; '.join(state['read'])}; {state['colour']}"
        answer = await ctx.ask_model("write", ask("write", facts), stream=True)
    return {"answer": answer.text}


class TwoCalls:
    """A Workflow."""

    workflow_type = "research"
    fingerprint = "two-calls-1"

    def build(self) -> Any:
        path = (START, "plan", "read", "confirm", "write", END)
        return new_graph(State, (plan, read, confirm, write), path)

    def initial_state(self, run: Run) -> dict[str, Any]:
        del run
        return {"read": []}

    def result(self, state: Mapping[str, Any], partial_reason: str | None) -> ValueObject:
        return ResearchResult(
            answer=state.get("answer") or "; ".join(state.get("read") or ()),
            partial=partial_reason is not None,
            partial_reason=partial_reason,
        )


def question_of(run: Run) -> str:
    assert isinstance(run.params, ResearchParams)
    return run.params.question


def ask(purpose: Purpose, text: str) -> ModelRequest:
    messages = (ChatMessage("user", text),)
    return ModelRequest(purpose=purpose, messages=messages, max_tokens=100)


def echo(message: str) -> ToolCall:
    tagged = Tagged(value=message, origin=Origin.PLAN)
    return ToolCall(task_type="echo", arguments={"message": tagged})


class AllowAll:
    """A ToolPolicy."""

    def __init__(self, run: Run) -> None:
        del run

    def observe(self, document: Document) -> None: ...

    def decide(self, call: ToolCall) -> PolicyDecision:
        del call
        return Allowed()


class AskAboutTools:
    """A ToolPolicy by which a person allows each call of a run whose question says so."""

    def __init__(self, run: Run) -> None:
        self._asks = "approval" in question_of(run)
        self._blocks = "blocked" in question_of(run)

    def observe(self, document: Document) -> None: ...

    def decide(self, call: ToolCall) -> PolicyDecision:
        if self._blocks:
            return Blocked(reason="text_from_page", argument="message")
        if self._asks and call.payload()["message"].endswith("1"):
            return NeedsApproval(reason="text_from_page", argument="message")
        return Allowed()


class CountedModels:
    """A ModelGateway that notes each call in a file, as a provider would on its bill."""

    def __init__(self, bill: Path) -> None:
        self._bill = bill

    def bound_cost(self, request: ModelRequest) -> tuple[int, int]:
        return 100 + request.max_tokens, 1_000

    async def complete(self, request: ModelRequest, on_token: OnToken | None = None) -> ModelAnswer:
        text = request.messages[-1].text
        with self._bill.open("ab", buffering=0) as bill:  # a few bytes
            bill.write(f"{request.purpose}\n".encode())
            os.fsync(bill.fileno())
        if on_token is not None:
            await on_token(f"wrote: {text}")
        return ModelAnswer(
            text=f"wrote: {text}" if request.purpose == "write" else "planned",
            usage=TokenUsage(tokens_in=10, tokens_out=5),
            cost_micro_usd=700,
            provider="counted",
            model="counted-1",
        )


def read_bill(bill: Path) -> list[str]:
    return bill.read_text().split()
