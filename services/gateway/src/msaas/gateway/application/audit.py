"""What is told about an act that somebody may have to answer for."""

from typing import Any, NamedTuple, Protocol

from msaas.contracts import ActorKind, AuditRecorded
from msaas.kernel import Clock, SystemClock, new_id
from msaas.web.auth import UserPrincipal


class Caller(NamedTuple):
    """Who acts, and the request that they act by."""

    user: UserPrincipal
    correlation_id: str


class Act(NamedTuple):
    record: AuditRecorded
    correlation_id: str


class AuditTrail(Protocol):
    async def keep(self, act: Act) -> None:
        """Keep it until whoever writes the audit log has been told."""
        ...


def describe_act(
    by: Caller, action: str, target: tuple[str, object], clock: Clock, **details: Any
) -> Act:
    """`target` is a kind and an id or a name."""
    user, (kind, what) = by.user, target
    record = AuditRecorded(
        audit_id=new_id(),
        occurred_at=clock.now(),
        action=action,
        actor_kind=ActorKind.OPERATOR if user.role == "operator" else ActorKind.USER,
        actor_id=user.id,
        via_key=user.key.id if user.key else None,
        target_kind=kind,
        target=str(what),
        details=details,
    )
    return Act(record, by.correlation_id)


class Auditor:
    """Keeps an act before it is handed on to whoever carries it out."""

    def __init__(self, trail: AuditTrail, clock: Clock | None = None) -> None:
        self._trail = trail
        self._clock = clock or SystemClock()

    async def keep(
        self, by: Caller, action: str, target: tuple[str, object], **details: Any
    ) -> None:
        await self._trail.keep(describe_act(by, action, target, self._clock, **details))
