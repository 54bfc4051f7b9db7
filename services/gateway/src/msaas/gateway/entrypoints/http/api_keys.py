"""API keys: a signed-in user creates, lists, rotates and revokes them."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from msaas.gateway.application.key_ports import KeyAttributes
from msaas.gateway.application.manage_keys import CreatedKey
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import (
    CurrentActor,
    CurrentUser,
    Cursor,
    IdempotencyKeyDep,
    KeyViewsDep,
    ManageKeysDep,
)
from msaas.gateway.entrypoints.http.key_models import (
    Key,
    KeyRequest,
    Keys,
    NewKey,
    RevokedKeys,
    RotateRequest,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

# More than the live keys that a user may have.
_PAGE_SIZE: Final = 100

router = APIRouter(prefix="/api/v1/api-keys")
# No scope: an API key can neither create keys nor list the other keys of its user.
_READS_KEYS = guard(RouteRule())
# A new key is shown once, so no response is stored.
_WRITES_KEYS = guard(
    RouteRule(rate_limit=RateLimitCategory.CRITICAL, replay=ReplayPolicy.MARKER_ONLY)
)


@router.get("", dependencies=[_READS_KEYS])
async def list_keys(user: CurrentUser, views: KeyViewsDep, before: Cursor) -> Keys:
    rows = await views.list_keys(user.id, before, _PAGE_SIZE + 1)
    items = [Key.model_validate(row) for row in rows[:_PAGE_SIZE]]
    last = PageCursor(items[-1].created_at, items[-1].id) if len(rows) > _PAGE_SIZE else None
    return Keys(items=items, next_cursor=last.encode() if last else None)


@router.post("", status_code=201, dependencies=[_WRITES_KEYS])
async def create_key(
    body: KeyRequest,
    actor: CurrentActor,
    idempotency_key: IdempotencyKeyDep,
    response: Response,
    manage: ManageKeysDep,
) -> NewKey:
    attributes = KeyAttributes(**dict(body))
    return _build_response(await manage.create(actor, attributes, idempotency_key), response)


@router.post("/{key_id}/rotate", status_code=201, dependencies=[_WRITES_KEYS])
async def rotate_key(
    key_id: UUID,
    body: RotateRequest,
    actor: CurrentActor,
    idempotency_key: IdempotencyKeyDep,
    response: Response,
    *,
    manage: ManageKeysDep,
) -> NewKey:
    grace = timedelta(seconds=body.grace_seconds)
    created = await manage.rotate(actor, key_id, grace, idempotency_key)
    return _build_response(created, response)


@router.post("/revoke-all", dependencies=[_WRITES_KEYS])
async def revoke_all_keys(actor: CurrentActor, manage: ManageKeysDep) -> RevokedKeys:
    return RevokedKeys(revoked=len(await manage.revoke_all(actor)))


@router.post("/{key_id}/revoke", dependencies=[_WRITES_KEYS])
async def revoke_key(key_id: UUID, actor: CurrentActor, manage: ManageKeysDep) -> Key:
    return Key.model_validate(await manage.revoke(actor, key_id))


def _build_response(created: CreatedKey, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.model_validate({**created.row, "key": created.key})
