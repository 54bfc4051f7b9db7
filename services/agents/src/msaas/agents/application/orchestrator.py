"""What the nodes of a workflow may do: every effect is stored by its key and done once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from langgraph.types import interrupt

from msaas.agents.application.guard import Guard
from msaas.agents.application.open_step import OpenStep, current_step, open_step
from msaas.agents.application.ports import Embedder, Question, Run
from msaas.agents.application.run_ports import Services, Stores
from msaas.agents.application.token_relay import TokenRelay
from msaas.agents.application.tool_calls import ToolCalls
from msaas.agents.domain.effects import CallBound, NewApproval, Reservation, StepRecord
from msaas.agents.domain.errors import CeilingReached, MemoryUnavailable, ModelUnavailable
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.models import ModelAnswer, ModelRequest
from msaas.agents.domain.tools import ToolCall, ToolResult
from msaas.agents.domain.waits import Wait
from msaas.contracts import StepKind
from msaas.kernel import Clock, DependencyUnavailable
from msaas.telemetry import span

ANSWER_TTL: Final = timedelta(days=1)
MIN_TOKENS: Final = 64
MAX_TITLE: Final = 200


class Orchestrator:
    """An OrchestratorContext. `waits` is what the nodes that were interrupted wait for."""

    def __init__(
        self,
        run: Run,
        fence: UUID,
        *,
        stores: Stores,
        services: Services,
        guard: Guard,
        tools: ToolCalls,
        clock: Clock,
    ) -> None:
        self._run = run
        self._fence = fence
        self._stores = stores
        self._services = services
        self._guard = guard
        self._tools = tools
        self._clock = clock
        self.waits: list[Wait] = []

    @property
    def run(self) -> Run:
        return self._run

    @property
    def embedder(self) -> Embedder:
        return self._services.embedder

    def step(self, key: str, kind: StepKind, title: str) -> AbstractAsyncContextManager[OpenStep]:
        record = StepRecord(key=key, kind=kind, state="started", title=title[:MAX_TITLE])
        return open_step(self._stores.steps, self._run.run_id, self._fence, record)

    async def ask_model(
        self, key: str, request: ModelRequest, *, stream: bool = False
    ) -> ModelAnswer:
        with self._span("model", key):
            await self._before(key)
            found, request = await self._reserve(key, request)
            if isinstance(found, Reservation):
                answer = await self._complete(key, request, stream=stream)
            else:
                answer = found
        if step := current_step():
            step.count(answer)
        return answer

    async def call_tools(self, key: str, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        with self._span("tool", key):
            while True:
                await self._before(key)
                found = await self._tools.call(key, calls)
                if not isinstance(found, Wait):
                    break
                self._suspend(key, found)
        if (step := current_step()) and len(found) == 1:
            step.link(child_job_id=found[0].job_id)
        return found

    async def ask_person(self, key: str, question: Question) -> Mapping[str, Any] | None:
        new = NewApproval(
            call_key=key,
            kind="answer",
            title=question.title,
            text=question.text,
            form=question.form,
            expires_at=question.expires_at or self._clock.now() + ANSWER_TTL,
        )
        while True:
            await self._before(key)
            found = await self._stores.approvals.open(self._run.run_id, self._fence, new)
            if found.state != "open":
                return found.answer if found.state == "answered" else None
            self._suspend(key, Wait(approvals=(found.id,), until=found.expires_at))

    async def remember(self, key: str, passages: Sequence[Passage]) -> None:
        await self._before(key)
        try:
            await self._services.memory.upsert(self._run.user_id, self._run.run_id, passages)
        except (MemoryUnavailable, DependencyUnavailable):
            _note_memory_away()

    async def recall(self, query: str, limit: int) -> Sequence[Passage]:
        try:
            return await self._services.memory.search(self._run.user_id, query, limit)
        except (MemoryUnavailable, DependencyUnavailable):
            _note_memory_away()
            return ()

    async def load_document(self, digest: str) -> Document | None:
        document = await self._stores.documents.find(self._run.user_id, digest)
        if document is not None:
            self._tools.observe(document)
        return document

    async def store_document(self, document: Document) -> None:
        await self._stores.documents.store(self._run.user_id, document)
        self._tools.observe(document)

    async def find_sighting(self, name: str) -> Document | None:
        run = self._run
        return await self._stores.documents.find_sighting(run.user_id, run.run_id, name)

    async def store_sighting(self, name: str, digest: str) -> None:
        run_id = self._run.run_id
        await self._stores.documents.store_sighting(run_id, self._fence, name, digest)

    async def _before(self, key: str) -> None:
        await self._guard.check()
        if self._guard.is_slice_over:
            self._suspend(key, Wait(until=self._clock.now()))

    def _suspend(self, key: str, wait: Wait) -> None:
        """Interrupt the node; it begins anew when the run is woken, and is given nothing."""
        self.waits.append(wait)
        if (step := current_step()) and wait.approvals:
            step.link(approval_id=wait.approvals[0])
        if (step := current_step()) and len(wait.children) == 1:
            step.link(child_job_id=wait.children[0])
        interrupt({"key": key, "until": wait.until.isoformat()})

    async def _reserve(
        self, key: str, request: ModelRequest
    ) -> tuple[ModelAnswer | Reservation, ModelRequest]:
        """Reserve the worst price; near a ceiling, that of a shorter answer."""
        calls, run_id = self._stores.calls, self._run.run_id
        while True:
            tokens, cost = self._services.models.bound_cost(request)
            bound = CallBound(purpose=request.purpose, tokens=tokens, cost_micro_usd=cost)
            try:
                return await calls.reserve(run_id, self._fence, key, bound), request
            except CeilingReached as reached:
                shorter = request.max_tokens // 2
                if shorter < MIN_TOKENS or reached.ceiling in {"steps", "seconds"}:
                    raise
                request = replace(request, max_tokens=shorter)

    async def _complete(self, key: str, request: ModelRequest, *, stream: bool) -> ModelAnswer:
        calls, run_id = self._stores.calls, self._run.run_id
        relay = TokenRelay(self._services.tokens, self._run, key, self._clock) if stream else None
        try:
            answer = await self._services.models.complete(request, relay)
        except ModelUnavailable as error:
            await calls.fail(run_id, self._fence, key, error.usage, error.cost_micro_usd)
            raise
        if relay is not None:
            await relay.flush()
        await calls.settle(run_id, self._fence, key, answer)
        return answer

    def _span(self, action: str, key: str) -> AbstractContextManager[object]:
        workflow = self._run.workflow_type
        return span(f"agents.{workflow}.{action}", run_id=str(self._run.run_id), key=key)


def _note_memory_away() -> None:
    if step := current_step():
        step.note("The memory is not available.")
