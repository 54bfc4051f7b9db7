"""API keys: made, listed, turned over and revoked by their signed-in user."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from msaas.gateway.application.audit import Caller
from msaas.gateway.application.key_ports import KeyTerms, KeyViews
from msaas.gateway.application.manage_keys import ManageKeys, ShownKey
from msaas.gateway.entrypoints.http.job_requests import idempotency_key
from msaas.gateway.entrypoints.http.key_models import (
    Key,
    KeyRequest,
    Keys,
    NewKey,
    RotateRequest,
)
from msaas.web import from_state
from msaas.web.auth import UserPrincipal, current_user

User = Annotated[UserPrincipal, Depends(current_user)]
Manage = Annotated[ManageKeys, Depends(from_state("api_keys"))]
Views = Annotated[KeyViews, Depends(from_state("key_views"))]

router = APIRouter(prefix="/api/v1/api-keys")


@router.get("")
async def list_keys(user: User, views: Views) -> Keys:
    return Keys(items=[Key.model_validate(dict(row)) for row in await views.list_keys(user.id)])


@router.post("", status_code=201)
async def create_key(
    body: KeyRequest, user: User, request: Request, response: Response, manage: Manage
) -> NewKey:
    terms = KeyTerms(**dict(body))
    return _show(
        await manage.create(_caller(user, request), terms, idempotency_key(request)), response
    )


@router.post("/{key_id}/rotate", status_code=201)
async def rotate_key(
    key_id: UUID,
    body: RotateRequest,
    user: User,
    request: Request,
    response: Response,
    *,
    manage: Manage,
) -> NewKey:
    grace = timedelta(seconds=body.grace_seconds)
    return _show(
        await manage.rotate(_caller(user, request), key_id, grace, idempotency_key(request)),
        response,
    )


@router.post("/{key_id}/revoke")
async def revoke_key(key_id: UUID, user: User, request: Request, manage: Manage) -> Key:
    return Key.model_validate(await manage.revoke(_caller(user, request), key_id))


def _caller(user: UserPrincipal, request: Request) -> Caller:
    return Caller(user, request.state.correlation_id)


def _show(shown: ShownKey, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.model_validate({**shown.row, "key": shown.key})
