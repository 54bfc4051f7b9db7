"""Users and audit entries, for operators."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from msaas.contracts import Plan, Scope
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.entrypoints.http.dependencies import Cursor, OperatorViewsDep, PageSize
from msaas.gateway.entrypoints.http.models import ResponseModel
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/ops")
_OPERATOR_READS = guard(RouteRule(scope=Scope.OPS, operators_only=True))


class ListedUser(ResponseModel):
    id: UUID
    email: str | None
    display_name: str | None
    role: str
    plan: Plan
    created_at: datetime
    last_seen_at: datetime | None
    banned_at: datetime | None
    sessions_ended_at: datetime | None


class UserPage(ResponseModel):
    items: list[ListedUser]
    next_cursor: str | None


class AuditItem(ResponseModel):
    id: UUID
    occurred_at: datetime
    action: str
    actor_kind: str
    actor_id: UUID | None
    via_key: UUID | None
    target_kind: str
    target: str
    details: dict[str, Any]
    correlation_id: str


class AuditPage(ResponseModel):
    items: list[AuditItem]
    next_cursor: str | None


@router.get("/users", dependencies=[_OPERATOR_READS])
async def list_users(
    views: OperatorViewsDep,
    before: Cursor,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: PageSize = 20,
) -> UserPage:
    rows = await views.list_users(q.strip(), before, limit + 1)
    shown = [ListedUser.model_validate(row) for row in rows[:limit]]
    return UserPage(items=shown, next_cursor=_build_cursor(rows, limit))


@router.get("/audit", dependencies=[_OPERATOR_READS])
async def list_audit_entries(
    views: OperatorViewsDep,
    before: Cursor,
    action: Annotated[str | None, Query(max_length=64)] = None,
    about: UUID | None = None,
    limit: PageSize = 20,
) -> AuditPage:
    rows = await views.list_audit(action, about, before, limit + 1)
    shown = [
        AuditItem.model_validate(
            {**row["body"], "id": row["id"], "correlation_id": row["correlation_id"]}
        )
        for row in rows[:limit]
    ]
    return AuditPage(items=shown, next_cursor=_build_cursor(rows, limit))


def _build_cursor(rows: Sequence[Row], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return PageCursor(last["created_at"], last["id"]).encode()
