"""Whom an override is for, as text that can be stored: everybody, a plan, or one user."""

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
        """Raise ValueError for what is no scope; what is one has a single spelling."""
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
