"""API keys: made, listed, turned over and revoked by their signed-in user."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from msaas.auth import UserPrincipal, current_user
from msaas.gateway.application.audit import Actor
from msaas.gateway.application.key_ports import KeyAttributes, KeyViews
from msaas.gateway.application.manage_keys import CreatedKey, ManageKeys
from msaas.gateway.entrypoints.http.job_requests import idempotency_key
from msaas.gateway.entrypoints.http.key_models import (
    Key,
    KeyRequest,
    Keys,
    NewKey,
    RotateRequest,
)
from msaas.web import from_state

CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
ManageKeysDep = Annotated[ManageKeys, Depends(from_state("api_keys"))]
KeyViewsDep = Annotated[KeyViews, Depends(from_state("key_views"))]

router = APIRouter(prefix="/api/v1/api-keys")


@router.get("")
async def list_keys(user: CurrentUser, views: KeyViewsDep) -> Keys:
    return Keys(items=[Key.model_validate(dict(row)) for row in await views.list_keys(user.id)])


@router.post("", status_code=201)
async def create_key(
    body: KeyRequest, user: CurrentUser, request: Request, response: Response, manage: ManageKeysDep
) -> NewKey:
    attributes = KeyAttributes(**dict(body))
    return _build_response(
        await manage.create(_actor(user, request), attributes, idempotency_key(request)), response
    )


@router.post("/{key_id}/rotate", status_code=201)
async def rotate_key(
    key_id: UUID,
    body: RotateRequest,
    user: CurrentUser,
    request: Request,
    response: Response,
    *,
    manage: ManageKeysDep,
) -> NewKey:
    grace = timedelta(seconds=body.grace_seconds)
    return _build_response(
        await manage.rotate(_actor(user, request), key_id, grace, idempotency_key(request)),
        response,
    )


@router.post("/{key_id}/revoke")
async def revoke_key(
    key_id: UUID, user: CurrentUser, request: Request, manage: ManageKeysDep
) -> Key:
    return Key.model_validate(await manage.revoke(_actor(user, request), key_id))


def _actor(user: UserPrincipal, request: Request) -> Actor:
    return Actor(user, request.state.correlation_id)


def _build_response(created: CreatedKey, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.model_validate({**created.row, "key": created.key})
