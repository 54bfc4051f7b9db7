"""The endpoints of Supabase Auth that its clients use to sign up, in and out."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from msaas.identity.application.ports import SignOutScope
from msaas.identity.domain.errors import (
    AnonymousProviderDisabled,
    InvalidCredentials,
    PhoneProviderDisabled,
    ValidationFailed,
)
from msaas.identity.entrypoints.http.dependencies import (
    CurrentSession,
    IdentityServiceDep,
    require_api_key,
)
from msaas.identity.entrypoints.http.schemas import (
    SETTINGS,
    SignUpBody,
    TokenBody,
    UserBody,
    session_json,
    user_json,
)

PREFIX = "/auth/v1"
public_router = APIRouter(prefix=PREFIX)
router = APIRouter(prefix=PREFIX, dependencies=[Depends(require_api_key)])


async def list_keys(service: IdentityServiceDep, response: Response) -> dict[str, Any]:
    response.headers["cache-control"] = "public, max-age=600"
    return {"keys": await service.use_cases.tokens.list_published()}


public_router.add_api_route("/.well-known/jwks.json", list_keys)


@router.get("/health")
async def get_health() -> dict[str, str]:
    return {
        "name": "msaas.identity",
        "version": "1",
        "description": "Compatible with Supabase Auth.",
    }


@router.get("/settings")
async def get_settings() -> dict[str, Any]:
    return dict(SETTINGS)


@router.post("/signup")
async def sign_up(
    request: Request, body: SignUpBody, service: IdentityServiceDep
) -> dict[str, Any]:
    service.check_rate_limit(request)
    with service.count_outcome("sign_up"):
        if body.phone:
            raise PhoneProviderDisabled
        if not body.email:
            raise AnonymousProviderDisabled
        if not body.password:
            raise ValidationFailed("Signup requires a valid password")
        return session_json(
            await service.use_cases.sign_up(body.email, body.password, body.data or {})
        )


@router.post("/token")
async def grant_token(
    request: Request, body: TokenBody, service: IdentityServiceDep, grant_type: str = ""
) -> dict[str, Any]:
    match grant_type:
        case "password":
            service.check_rate_limit(request)
            with service.count_outcome(grant_type):
                return await _sign_in(body, service)
        case "refresh_token":
            with service.count_outcome(grant_type):
                if not body.refresh_token:
                    raise ValidationFailed("refresh_token required")
                return session_json(await service.use_cases.refresh(body.refresh_token))
        case "pkce":
            with service.count_outcome(grant_type):
                if not body.auth_code or not body.code_verifier:
                    raise ValidationFailed("both auth code and code verifier should be non-empty")
                return session_json(
                    await service.one_time.exchange_code(body.auth_code, body.code_verifier)
                )
        case _:
            raise InvalidCredentials("unsupported_grant_type")


async def _sign_in(body: TokenBody, service: IdentityServiceDep) -> dict[str, Any]:
    if body.phone:
        raise PhoneProviderDisabled
    if not body.email:
        raise ValidationFailed("missing email or phone")
    return session_json(await service.use_cases.sign_in(body.email, body.password))


@router.get("/user")
async def get_user(authenticated: CurrentSession) -> dict[str, Any]:
    return user_json(authenticated.account.user)


@router.put("/user")
async def update_user(
    body: UserBody, authenticated: CurrentSession, service: IdentityServiceDep
) -> dict[str, Any]:
    changed = await service.use_cases.update_user(
        authenticated, email=body.email, password=body.password, data=body.data or {}
    )
    return user_json(changed)


@router.post("/logout", status_code=204)
async def sign_out(
    authenticated: CurrentSession, service: IdentityServiceDep, scope: str = SignOutScope.GLOBAL
) -> None:
    if scope not in set(SignOutScope):
        raise ValidationFailed("Unsupported logout scope")
    await service.use_cases.sign_out(authenticated, SignOutScope(scope))
