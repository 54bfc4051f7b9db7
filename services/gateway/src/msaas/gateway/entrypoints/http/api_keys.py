"""API keys: a signed-in user creates, lists, rotates and revokes them."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Response

from msaas.gateway.application.key_ports import KeyAttributes
from msaas.gateway.application.manage_keys import CreatedKey
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import (
    CurrentActor,
    CurrentUser,
    IdempotencyKeyDep,
    KeyViewsDep,
    ManageKeysDep,
)
from msaas.gateway.entrypoints.http.key_models import (
    Key,
    KeyRequest,
    Keys,
    NewKey,
    RotateRequest,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/api-keys")
# No scope: an API key can neither create keys nor list the other keys of its user.
_READS_KEYS = guard(RouteRule())
# A new key is shown once, so no response is stored.
_WRITES_KEYS = guard(
    RouteRule(rate_limit=RateLimitCategory.CRITICAL, replay=ReplayPolicy.MARKER_ONLY)
)


@router.get("", dependencies=[_READS_KEYS])
async def list_keys(user: CurrentUser, views: KeyViewsDep) -> Keys:
    return Keys(items=[Key.model_validate(dict(row)) for row in await views.list_keys(user.id)])


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


@router.post("/{key_id}/revoke", dependencies=[_WRITES_KEYS])
async def revoke_key(key_id: UUID, actor: CurrentActor, manage: ManageKeysDep) -> Key:
    return Key.model_validate(await manage.revoke(actor, key_id))


def _build_response(created: CreatedKey, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.model_validate({**created.row, "key": created.key})
