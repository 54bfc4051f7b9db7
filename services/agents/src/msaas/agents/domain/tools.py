"""Calls of tools, whose arguments say where they are from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Origin(StrEnum):
    """Where a value is from, from the most trusted to the least."""

    USER = "user"  # written by the user in the run's parameters, or given as an answer
    PLAN = "plan"  # written by the planner, which has seen nothing but the user's text
    PAGE = "page"  # from a page, or by a model that has read one


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A value with its origin; `sources` are the addresses of the pages that it is from."""

    value: Any
    origin: Origin
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a task of the catalogue, as a child job."""

    task_type: str
    arguments: Mapping[str, Tagged]

    def payload(self) -> dict[str, Any]:
        return {name: tagged.value for name, tagged in self.arguments.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """How a child job has ended; a blocked call has no job."""

    job_id: UUID | None
    ok: bool
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsApproval:
    """A person has to allow the call; `reason` and `argument` are shown to them."""

    reason: str
    argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    reason: str
    argument: str


PolicyDecision = Allowed | NeedsApproval | Blocked
