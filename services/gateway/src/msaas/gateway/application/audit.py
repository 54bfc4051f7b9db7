"""The audit trail: who changed what, by which request."""

from typing import Any, NamedTuple, Protocol

from msaas.auth import UserPrincipal
from msaas.contracts import ActorKind, AuditRecorded
from msaas.kernel import Clock, SystemClock, new_id


class Actor(NamedTuple):
    """The user of an action, and the request that causes it."""

    user: UserPrincipal
    correlation_id: str


class AuditEntry(NamedTuple):
    event: AuditRecorded
    correlation_id: str


class AuditTrail(Protocol):
    async def append(self, entry: AuditEntry) -> None:
        """Store the entry until it has been published."""
        ...


def build_audit_entry(
    actor: Actor, action: str, target: tuple[str, object], clock: Clock, **details: Any
) -> AuditEntry:
    """`target` is a kind and an id or a name."""
    user, (kind, name) = actor.user, target
    event = AuditRecorded(
        audit_id=new_id(),
        occurred_at=clock.now(),
        action=action,
        actor_kind=ActorKind.OPERATOR if user.role == "operator" else ActorKind.USER,
        actor_id=user.id,
        via_key=user.api_key.id if user.api_key else None,
        target_kind=kind,
        target=str(name),
        details=details,
    )
    return AuditEntry(event, actor.correlation_id)


class Auditor:
    """Records an action before its command is sent."""

    def __init__(self, trail: AuditTrail, clock: Clock | None = None) -> None:
        self._trail = trail
        self._clock = clock or SystemClock()

    async def record(
        self, actor: Actor, action: str, target: tuple[str, object], **details: Any
    ) -> None:
        await self._trail.append(build_audit_entry(actor, action, target, self._clock, **details))
