"""What is told about an act that somebody may have to answer for."""

from typing import Any, NamedTuple, Protocol

from msaas.auth import UserPrincipal
from msaas.contracts import ActorKind, AuditRecorded
from msaas.kernel import Clock, SystemClock, new_id


class Actor(NamedTuple):
    """Who acts, and the request that they act by."""

    user: UserPrincipal
    correlation_id: str


class AuditEntry(NamedTuple):
    event: AuditRecorded
    correlation_id: str


class AuditTrail(Protocol):
    async def append(self, entry: AuditEntry) -> None:
        """Keep it until whoever writes the audit log has been told."""
        ...


def build_audit_entry(
    actor: Actor, action: str, target: tuple[str, object], clock: Clock, **details: Any
) -> AuditEntry:
    """`target` is a kind and an id or a name."""
    user, (kind, what) = actor.user, target
    record = AuditRecorded(
        audit_id=new_id(),
        occurred_at=clock.now(),
        action=action,
        actor_kind=ActorKind.OPERATOR if user.role == "operator" else ActorKind.USER,
        actor_id=user.id,
        via_key=user.api_key.id if user.api_key else None,
        target_kind=kind,
        target=str(what),
        details=details,
    )
    return AuditEntry(record, actor.correlation_id)


class Auditor:
    """Keeps an act before it is handed on to whoever carries it out."""

    def __init__(self, trail: AuditTrail, clock: Clock | None = None) -> None:
        self._trail = trail
        self._clock = clock or SystemClock()

    async def record(
        self, actor: Actor, action: str, target: tuple[str, object], **details: Any
    ) -> None:
        await self._trail.append(build_audit_entry(actor, action, target, self._clock, **details))
