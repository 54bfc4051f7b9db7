"""An OrchestratorContext in memory: a site as a dict, a model as a function, and memos."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from msaas.agents.application.firewall import Firewall
from msaas.agents.application.ports import Run, Workflow
from msaas.agents.domain.errors import CeilingReached
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.models import ModelAnswer, ModelRequest, TokenUsage
from msaas.agents.domain.tools import Allowed, PolicyDecision, ToolCall, ToolResult
from msaas.contracts import Plan, StepKind, get_task

USAGE = TokenUsage(tokens_in=10, tokens_out=5)
Model = Callable[[ModelRequest], str | Mapping[str, Any]]


@dataclass
class FakePage:
    text: str
    final_url: str | None = None
    ok: bool = True


class WordEmbedder:
    """Vectors that count a few letters: enough to prefer links that share words."""

    dimensions = 64

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in text.lower().split():
            vector[sum(map(ord, word)) % self.dimensions] = 1.0
        return vector


@dataclass
class FakeStep:
    key: str
    kind: str
    title: str
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


class FakeContext:
    """Suspends at every new call of tools, as the service does, and remembers every effect."""

    def __init__(self, run: Run, pages: Mapping[str, FakePage], model: Model) -> None:
        self.run = run
        self.embedder = WordEmbedder()
        self.policy = Firewall(run)
        self.pages, self.model = pages, model
        self.steps: list[FakeStep] = []
        self.requests: dict[str, ModelRequest] = {}
        self.answers: dict[str, ModelAnswer] = {}
        self.submitted: dict[str, list[ToolCall]] = {}
        self.decisions: list[tuple[ToolCall, PolicyDecision]] = []
        self.documents: dict[str, Document] = {}
        self.sightings: dict[str, str] = {}
        self.seen_now: dict[str, str] = {}
        self.memory: list[Passage] = []
        self.calls_left = 1_000

    @asynccontextmanager
    async def step(self, key: str, kind: StepKind, title: str) -> AsyncGenerator[FakeStep]:
        step = FakeStep(key, kind, title)
        self.steps.append(step)
        yield step

    async def ask_model(
        self, key: str, request: ModelRequest, *, stream: bool = False
    ) -> ModelAnswer:
        if key not in self.answers:
            if self.calls_left == 0:
                raise CeilingReached("tokens")
            self.calls_left -= 1
            self.requests[key] = request
            self.answers[key] = _to_answer(self.model(request))
        return self.answers[key]

    async def call_tools(self, key: str, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        if key not in self.submitted:
            self.submitted[key] = list(calls)
            self.decisions += [(call, self.policy.decide(call)) for call in calls]
        interrupt(key)
        return [self._open(call) for call in calls]

    def _open(self, call: ToolCall) -> ToolResult:
        decision = self.policy.decide(call)
        if not isinstance(decision, Allowed):
            return ToolResult(job_id=None, ok=False, reason=decision.reason)
        payload = call.payload()
        get_task(call.task_type).params.model_validate(payload)
        page = self.pages.get(payload["url"])
        if page is None or not page.ok:
            return ToolResult(job_id=uuid4(), ok=False, reason="page_failed")
        url = page.final_url or payload["url"]
        result = {"final_url": url, "title": f"Title of {url}", "markdown": page.text}
        job_id = UUID(int=abs(hash(payload["url"])))
        return ToolResult(job_id=job_id, ok=True, result=result)

    async def remember(self, key: str, passages: Sequence[Passage]) -> None:
        self.memory += passages

    async def recall(self, query: str, limit: int) -> Sequence[Passage]:
        return self.memory[:limit]

    async def load_document(self, digest: str) -> Document | None:
        document = self.documents.get(digest)
        if document is not None:
            self.policy.observe(document)
        return document

    async def store_document(self, document: Document) -> None:
        self.documents[document.digest] = document
        self.policy.observe(document)

    async def find_sighting(self, name: str) -> Document | None:
        return self.documents.get(self.sightings.get(name, ""))

    async def store_sighting(self, name: str, digest: str) -> None:
        self.seen_now[name] = digest


def _to_answer(written: str | Mapping[str, Any]) -> ModelAnswer:
    text = written if isinstance(written, str) else ""
    return ModelAnswer(
        text=text,
        parsed=None if isinstance(written, str) else written,
        usage=USAGE,
        cost_micro_usd=1,
        provider="scripted",
        model="scripted",
    )


def make_run(workflow: Workflow, **params: object) -> Run:
    task = get_task(f"workflow.{workflow.workflow_type}")
    return Run(
        run_id=uuid4(),
        user_id=uuid4(),
        workflow_type=workflow.workflow_type,
        plan=Plan.FREE,
        params=task.params.model_validate_json(json.dumps(params)),
    )


async def run_workflow(workflow: Workflow, ctx: FakeContext) -> Mapping[str, Any]:
    """Run a graph to its end, resuming it after each interrupt; return its final state."""
    graph = workflow.build().compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "one"}, "recursion_limit": 60}
    given: Any = workflow.initial_state(ctx.run)
    for _ in range(20):
        state = await graph.ainvoke(given, config, context=ctx, durability="sync")
        if "__interrupt__" not in state:
            return state
        given = Command(resume=True)
        ctx.policy = Firewall(ctx.run)  # another process goes on
    raise AssertionError("the graph does not end")


async def run_to_ceiling(workflow: Workflow, ctx: FakeContext) -> Mapping[str, Any]:
    """Run a graph until a ceiling ends it; return the last state that was stored."""
    graph = workflow.build().compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "one"}}
    given: Any = workflow.initial_state(ctx.run)
    while True:
        try:
            await graph.ainvoke(given, config, context=ctx, durability="sync")
        except CeilingReached:
            return (await graph.aget_state(config)).values
        given = Command(resume=True)
