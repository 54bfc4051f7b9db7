"""The endpoints of Supabase Auth that its clients use to sign up, in and out."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from msaas.identity.application.ports import Scope
from msaas.identity.domain.errors import (
    AnonymousProviderDisabled,
    InvalidCredentials,
    PhoneProviderDisabled,
    ValidationFailed,
)
from msaas.identity.entrypoints.http.gates import AtDesk, Who, require_api_key
from msaas.identity.entrypoints.http.shapes import (
    SETTINGS,
    SignUpBody,
    TokenBody,
    UserBody,
    session_shape,
    user_shape,
)

PREFIX = "/auth/v1"
open_router = APIRouter(prefix=PREFIX)
router = APIRouter(prefix=PREFIX, dependencies=[Depends(require_api_key)])


async def list_keys(desk: AtDesk, response: Response) -> dict[str, Any]:
    response.headers["cache-control"] = "public, max-age=600"
    return {"keys": await desk.list_published_keys()}


open_router.add_api_route("/.well-known/jwks.json", list_keys)


@router.get("/health")
async def tell_health() -> dict[str, str]:
    return {"name": "msaas.identity", "version": "1", "description": "Speaks as Supabase Auth."}


@router.get("/settings")
async def tell_settings() -> dict[str, Any]:
    return dict(SETTINGS)


@router.post("/signup")
async def sign_up(request: Request, body: SignUpBody, desk: AtDesk) -> dict[str, Any]:
    desk.admit(request)
    with desk.counted("sign_up"):
        if body.phone:
            raise PhoneProviderDisabled
        if not body.email:
            raise AnonymousProviderDisabled
        if not body.password:
            raise ValidationFailed("Signup requires a valid password")
        return session_shape(await desk.sign_up(body.email, body.password, body.data or {}))


@router.post("/token")
async def grant_token(
    request: Request, body: TokenBody, desk: AtDesk, grant_type: str = ""
) -> dict[str, Any]:
    match grant_type:
        case "password":
            desk.admit(request)
            with desk.counted(grant_type):
                return await _sign_in(body, desk)
        case "refresh_token":
            with desk.counted(grant_type):
                if not body.refresh_token:
                    raise ValidationFailed("refresh_token required")
                return session_shape(await desk.refresh(body.refresh_token))
        case _:
            raise InvalidCredentials("unsupported_grant_type")


async def _sign_in(body: TokenBody, desk: AtDesk) -> dict[str, Any]:
    if body.phone:
        raise PhoneProviderDisabled
    if not body.email:
        raise ValidationFailed("missing email or phone")
    return session_shape(await desk.sign_in(body.email, body.password))


@router.get("/user")
async def read_user(who: Who) -> dict[str, Any]:
    return user_shape(who.user)


@router.put("/user")
async def update_user(body: UserBody, who: Who, desk: AtDesk) -> dict[str, Any]:
    changed = await desk.update_user(
        who, email=body.email, password=body.password, data=body.data or {}
    )
    return user_shape(changed)


@router.post("/logout", status_code=204)
async def sign_out(who: Who, desk: AtDesk, scope: str = Scope.GLOBAL) -> None:
    if scope not in set(Scope):
        raise ValidationFailed("Unsupported logout scope")
    await desk.sign_out(who, Scope(scope))
