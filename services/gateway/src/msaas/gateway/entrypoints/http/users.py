"""Access of users, for operators: their role, their ban, their sessions and keys."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter

from msaas.contracts import Scope
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dead_letter_models import Reason
from msaas.gateway.entrypoints.http.dependencies import CurrentActor, ManageAccessDep
from msaas.gateway.entrypoints.http.models import RequestModel, ResponseModel
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/ops/users")
_OPERATOR_WRITES = guard(
    RouteRule(scope=Scope.OPS, operators_only=True, rate_limit=RateLimitCategory.CRITICAL)
)


class AccessChange(RequestModel):
    """`reason` is for the audit log."""

    reason: Reason


class RoleChange(AccessChange):
    role: Literal["user", "operator"]


class BanChange(AccessChange):
    banned: bool


class UserAccess(ResponseModel):
    id: UUID
    role: str
    banned_at: datetime | None
    sessions_ended_at: datetime | None


@router.put("/{user_id}/role", dependencies=[_OPERATOR_WRITES])
async def set_role(
    user_id: UUID, body: RoleChange, actor: CurrentActor, manage: ManageAccessDep
) -> UserAccess:
    row = await manage.set_role(actor, user_id, body.role, body.reason)
    return UserAccess.model_validate(row)


@router.put("/{user_id}/ban", dependencies=[_OPERATOR_WRITES])
async def set_ban(
    user_id: UUID, body: BanChange, actor: CurrentActor, manage: ManageAccessDep
) -> UserAccess:
    row = await manage.set_banned(actor, user_id, banned=body.banned, reason=body.reason)
    return UserAccess.model_validate(row)


@router.post("/{user_id}/end-access", dependencies=[_OPERATOR_WRITES])
async def end_access(
    user_id: UUID, body: AccessChange, actor: CurrentActor, manage: ManageAccessDep
) -> UserAccess:
    return UserAccess.model_validate(await manage.end_access(actor, user_id, body.reason))
