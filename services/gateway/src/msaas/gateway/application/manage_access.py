"""Operators change the role of a user, ban an account, and end its sessions and keys."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol
from uuid import UUID

from msaas.gateway.application.audit import Actor, AuditEntry, build_audit_entry
from msaas.gateway.application.errors import NotAllowed
from msaas.gateway.application.ports import Row
from msaas.kernel import Clock, ErrorKind, MsaasError, SystemClock


class UserNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "User not found."


class AccessRepository(Protocol):
    """Stores every change and its audit entry in one transaction; a repeat stores neither."""

    async def set_role(self, user_id: UUID, role: str, audit_entry: AuditEntry) -> Row: ...

    async def set_banned(self, user_id: UUID, *, banned: bool, audit_entry: AuditEntry) -> Row: ...

    async def end_access(self, user_id: UUID, audit_entry: AuditEntry) -> Row:
        """End all sessions that have begun, and revoke all keys."""
        ...


class ManageAccess:
    """`on_change` makes this process forget the user; the others read the row again in seconds."""

    def __init__(
        self,
        repository: AccessRepository,
        on_change: Callable[[UUID], None],
        end_streams: Callable[[UUID], None],
        clock: Clock | None = None,
    ) -> None:
        self._repository = repository
        self._on_change = on_change
        self._end_streams = end_streams
        self._clock = clock or SystemClock()

    async def set_role(self, actor: Actor, user_id: UUID, role: str, reason: str) -> Row:
        _require_another(actor, user_id)
        audit_entry = self._describe(actor, "user.role_set", user_id, role=role, reason=reason)
        row = await self._repository.set_role(user_id, role, audit_entry)
        self._on_change(user_id)
        return row

    async def set_banned(self, actor: Actor, user_id: UUID, *, banned: bool, reason: str) -> Row:
        _require_another(actor, user_id)
        action = "user.banned" if banned else "user.unbanned"
        audit_entry = self._describe(actor, action, user_id, reason=reason)
        row = await self._repository.set_banned(user_id, banned=banned, audit_entry=audit_entry)
        self._on_change(user_id)
        if banned:
            self._end_streams(user_id)
        return row

    async def end_access(self, actor: Actor, user_id: UUID, reason: str) -> Row:
        audit_entry = self._describe(actor, "user.access_ended", user_id, reason=reason)
        row = await self._repository.end_access(user_id, audit_entry)
        self._on_change(user_id)
        self._end_streams(user_id)
        return row

    def _describe(self, actor: Actor, action: str, user_id: UUID, **details: Any) -> AuditEntry:
        return build_audit_entry(actor, action, ("user", user_id), self._clock, **details)


def _require_another(actor: Actor, user_id: UUID) -> None:
    """Refuse what could leave the system without an operator."""
    if actor.user.id == user_id:
        raise NotAllowed("Operators do not change their own role or ban.")
