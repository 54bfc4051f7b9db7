"""What workflows ask of the rest of the service, and what the service asks of the outside."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.models import ModelAnswer, ModelRequest
from msaas.agents.domain.tools import PolicyDecision, ToolCall, ToolResult
from msaas.contracts import Plan, StepKind, ValueObject

OnToken = Callable[[str], Awaitable[None]]


class ModelGateway(Protocol):
    """Calls models: fallback, retries, breakers and deadlines are inside."""

    def bound_cost(self, request: ModelRequest) -> tuple[int, int]:
        """Return the most tokens and the most millionths of a dollar that a call can use.

        It covers every provider that may be tried, all attempts together.
        """
        ...

    async def complete(self, request: ModelRequest, on_token: OnToken | None = None) -> ModelAnswer:
        """Return the answer, or raise ModelUnavailable. Tokens are for display only."""
        ...


class Embedder(Protocol):
    @property
    def dimensions(self) -> int: ...

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]: ...


class Memory(Protocol):
    """What a user's earlier runs have read. The texts are in Postgres, the vectors beside it."""

    async def upsert(self, user_id: UUID, run_id: UUID, passages: Sequence[Passage]) -> int: ...

    async def search(self, user_id: UUID, query: str, limit: int) -> Sequence[Passage]: ...

    async def forget(self, user_id: UUID) -> None:
        """Erase the user's memory: texts, vectors and the files that held them."""
        ...


class ToolPolicy(Protocol):
    def observe(self, document: Document) -> None:
        """Learn of a page that the run has read: its links may be followed."""
        ...

    def decide(self, call: ToolCall) -> PolicyDecision: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as its workflow sees it."""

    run_id: UUID
    user_id: UUID
    workflow_type: str
    plan: Plan
    params: ValueObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that only a person can decide; `form` is a JSON Schema of the answer."""

    title: str
    text: str
    form: Mapping[str, Any]
    expires_at: datetime | None = None


class Step(Protocol):
    """A step that is shown; what is called inside it is counted on it."""

    def note(self, text: str) -> None: ...


class OrchestratorContext(Protocol):
    """What a node of a workflow may do.

    A key names one effect of the run and must be the same when the node is run again: after a
    crash or a wait a node begins anew, and every effect that has been stored is returned, not
    repeated. Before each effect the run looks whether it was cancelled, its flag is off, its
    deadline has passed, or a ceiling is reached (CeilingReached).
    """

    @property
    def run(self) -> Run: ...

    @property
    def embedder(self) -> Embedder: ...

    def step(self, key: str, kind: StepKind, title: str) -> AbstractAsyncContextManager[Step]: ...

    async def ask_model(
        self, key: str, request: ModelRequest, *, stream: bool = False
    ) -> ModelAnswer: ...

    async def call_tools(self, key: str, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Submit child jobs and return how they ended; the run waits without a slot meanwhile.

        A call that the policy blocks ends as a result that is not ok; one that needs approval
        waits for a person.
        """
        ...

    async def ask_person(self, key: str, question: Question) -> Mapping[str, Any] | None:
        """Return the answer, or None where it has expired; the run waits without a slot."""
        ...

    async def remember(self, key: str, passages: Sequence[Passage]) -> None:
        """Keep passages for later runs; where the memory is away the run says so and goes on."""
        ...

    async def recall(self, query: str, limit: int) -> Sequence[Passage]: ...

    async def load_document(self, digest: str) -> Document | None:
        """Return a document that `store_document` has kept for this run, or an earlier one."""
        ...

    async def store_document(self, document: Document) -> None: ...

    async def find_sighting(self, name: str) -> Document | None:
        """Return the document that the user's last earlier run has seen under this name."""
        ...

    async def store_sighting(self, name: str, digest: str) -> None:
        """Say what this run has seen under a name; a repeat changes nothing."""
        ...


class Workflow(Protocol):
    """A graph and what it makes of its final state."""

    @property
    def workflow_type(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """Change with the graph: a run is continued only by the graph that it began with."""
        ...

    def build(self) -> Any:
        """Return the graph, not yet compiled: a langgraph StateGraph with OrchestratorContext."""
        ...

    def initial_state(self, run: Run) -> dict[str, Any]: ...

    def result(self, state: Mapping[str, Any], partial_reason: str | None) -> ValueObject:
        """Return the result of a state, whole or as far as the run has come."""
        ...
