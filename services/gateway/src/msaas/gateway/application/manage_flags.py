"""Operators override feature flags for a plan, a user or all users."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msaas.flags import FLAGS, FlagScope, Rollout, UnknownFlag
from msaas.gateway.application.audit import Actor, AuditEntry, build_audit_entry
from msaas.gateway.application.ports import Row
from msaas.kernel import Clock, SystemClock


class FlagRepository(Protocol):
    """Stores every change and its audit entry in one transaction."""

    async def set(
        self, name: str, scope: FlagScope, rollout: Rollout, audit_entry: AuditEntry
    ) -> None: ...

    async def unset(self, name: str, scope: FlagScope, audit_entry: AuditEntry) -> None:
        """Store no audit entry if there was no override."""
        ...

    async def list_overrides(self) -> Sequence[Row]: ...


class ManageFlags:
    def __init__(
        self,
        repository: FlagRepository,
        on_change: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
    ) -> None:
        self._repository = repository
        self._on_change = on_change
        self._clock = clock or SystemClock()

    async def set(
        self, actor: Actor, name: str, scope: FlagScope, rollout: Rollout, reason: str
    ) -> None:
        details = {"percent": rollout.percent, "internal": rollout.internal, "reason": reason}
        audit_entry = self._build_audit_entry(actor, "flag.set", name, scope, **details)
        await self._repository.set(name, scope, rollout, audit_entry)
        await self._on_change()

    async def unset(self, actor: Actor, name: str, scope: FlagScope) -> None:
        await self._repository.unset(
            name, scope, self._build_audit_entry(actor, "flag.unset", name, scope)
        )
        await self._on_change()

    async def list_overrides(self) -> Sequence[Row]:
        return await self._repository.list_overrides()

    def _build_audit_entry(
        self, actor: Actor, action: str, name: str, scope: FlagScope, **details: Any
    ) -> AuditEntry:
        if name not in FLAGS:
            raise UnknownFlag
        return build_audit_entry(
            actor, action, ("flag", name), self._clock, scope=str(scope), **details
        )
