"""The scope of an override, which can be stored as text: global, a plan, or a user."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from msaas.contracts import Plan


class ScopeKind(StrEnum):
    GLOBAL = "global"
    PLAN = "plan"
    USER = "user"


@dataclass(frozen=True, slots=True)
class FlagScope:
    kind: ScopeKind
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else str(self.kind)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise ValueError for text that is not the canonical form of a scope."""
        kind, _, target = text.partition(":")
        match ScopeKind(kind):
            case ScopeKind.GLOBAL:
                scope = cls(ScopeKind.GLOBAL)
            case ScopeKind.PLAN:
                scope = cls(ScopeKind.PLAN, Plan(target))
            case ScopeKind.USER:
                scope = cls(ScopeKind.USER, str(UUID(target)))
        if str(scope) != text:
            raise ValueError("not a valid flag scope")
        return scope
