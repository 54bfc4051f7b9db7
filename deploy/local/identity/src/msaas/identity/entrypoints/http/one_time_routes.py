"""The endpoints of one-time sign-in, and the outbox that stands for the user's mailbox."""

from html import escape
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from msaas.identity.application.one_time_ports import OutboxMessage
from msaas.identity.application.one_time_sign_in import MessageRequest
from msaas.identity.domain.errors import (
    NotOffered,
    OtpExpired,
    PhoneProviderDisabled,
    ValidationFailed,
)
from msaas.identity.domain.one_time import Purpose
from msaas.identity.entrypoints.http.dependencies import IdentityServiceDep, require_api_key
from msaas.identity.entrypoints.http.schemas import Metadata, session_json

PREFIX = "/auth/v1"
public_router = APIRouter(prefix=PREFIX)
router = APIRouter(prefix=PREFIX, dependencies=[Depends(require_api_key)])
_PURPOSES: Final = {
    "email": Purpose.MAGIC_LINK,
    "magiclink": Purpose.MAGIC_LINK,
    "signup": Purpose.MAGIC_LINK,
    "recovery": Purpose.RECOVERY,
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_STYLE: Final = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
_PAGE_HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
}
RedirectTo = Annotated[str | None, Query(max_length=2_000)]


class MessageBody(BaseModel):
    email: str = Field(default="", repr=False)
    phone: str | None = None
    create_user: bool = True
    data: Metadata | None = None
    code_challenge: str | None = Field(default=None, repr=False)
    code_challenge_method: str | None = None


class VerifyBody(BaseModel):
    type: str = ""
    email: str = Field(default="", repr=False)
    phone: str | None = None
    token: str = Field(default="", repr=False, max_length=200)
    token_hash: str = Field(default="", repr=False, max_length=200)


@router.post("/otp")
async def send_magic_link(
    request: Request,
    body: MessageBody,
    service: IdentityServiceDep,
    redirect_to: RedirectTo = None,
) -> dict[str, Any]:
    await _send(request, body, service, redirect_to, Purpose.MAGIC_LINK)
    return {}


@router.post("/recover")
async def send_recovery_link(
    request: Request,
    body: MessageBody,
    service: IdentityServiceDep,
    redirect_to: RedirectTo = None,
) -> dict[str, Any]:
    await _send(request, body, service, redirect_to, Purpose.RECOVERY)
    return {}


async def _send(
    request: Request,
    body: MessageBody,
    service: IdentityServiceDep,
    redirect_to: str | None,
    purpose: Purpose,
) -> None:
    service.check_rate_limit(request)
    if body.phone:
        raise PhoneProviderDisabled
    await service.one_time.request_message(
        MessageRequest(
            email=body.email,
            purpose=purpose,
            redirect_to=redirect_to,
            challenge=body.code_challenge,
            challenge_method=body.code_challenge_method,
            create_user=body.create_user and purpose is Purpose.MAGIC_LINK,
            user_metadata=body.data,
        )
    )


@router.post("/verify")
async def verify(request: Request, body: VerifyBody, service: IdentityServiceDep) -> dict[str, Any]:
    service.check_rate_limit(request)
    with service.count_outcome("verify"):
        if body.phone:
            raise PhoneProviderDisabled
        purpose = _PURPOSES.get(body.type)
        if purpose is None:
            raise ValidationFailed("Invalid verification type")
        if body.token_hash:
            return session_json(await service.one_time.verify_secret(body.token_hash))
        if not body.token:
            raise OtpExpired
        return session_json(await service.one_time.verify_code(body.email, purpose, body.token))


async def follow_link(
    service: IdentityServiceDep,
    token: Annotated[str, Query(max_length=200)] = "",
    redirect_to: RedirectTo = None,
) -> Response:
    target = await service.one_time.follow_link(token, redirect_to)
    headers = {"location": target, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(status_code=303, headers=headers)


async def authorize() -> None:
    raise ValidationFailed("Unsupported provider: provider is not enabled")


async def describe_provider(service: IdentityServiceDep, response: Response) -> dict[str, Any]:
    response.headers["cache-control"] = "public, max-age=600"
    return dict(service.discovery)


async def show_outbox(request: Request, service: IdentityServiceDep) -> Response:
    """Show the messages, as a page or as JSON, to this machine's user and to no other site."""
    if not _is_own_request(request, urlsplit(service.one_time.use_cases.issuer).hostname):
        raise NotOffered
    messages = await service.one_time.list_messages()
    if "application/json" in request.headers.get("accept", ""):
        content = OutboxPage(items=[_to_item(message) for message in messages])
        body, media_type = content.model_dump_json(), "application/json"
    else:
        body, media_type = _render(messages), "text/html"
    return Response(body, headers=_PAGE_HEADERS, media_type=media_type)


class OutboxItem(BaseModel):
    email: str
    type: str
    link: str
    code: str
    created_at: str


class OutboxPage(BaseModel):
    items: list[OutboxItem]


def _is_own_request(request: Request, own_host: str | None) -> bool:
    """Refuse pages of other sites, which run in the browser of this machine's user too.

    They may lead the user here by a link: they cannot read the page that opens.
    """
    fetch = {name: request.headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest")}
    is_opened = fetch["mode"] == "navigate" and fetch["dest"] == "document"
    is_own_site = fetch["site"] in {None, "none", "same-origin"} or is_opened
    return (
        is_own_site
        and "origin" not in request.headers
        and request.url.hostname in {*_LOOPBACK, own_host}
    )


def _to_item(message: OutboxMessage) -> OutboxItem:
    return OutboxItem(
        email=message.email,
        type=str(message.purpose),
        link=message.link,
        code=message.code,
        created_at=message.created_at.isoformat(),
    )


def _render(messages: Any) -> str:
    rows = "".join(
        f"<article><h2>{'Sign in' if m.purpose is Purpose.MAGIC_LINK else 'New password'}</h2>"
        f"<p>To {escape(m.email)}, <time>{m.created_at:%Y-%m-%d %H:%M:%S} UTC</time></p>"
        f'<p><a href="{escape(m.link)}" rel="noreferrer">Open the link</a>, '
        f"or enter the code <strong>{m.code}</strong></p></article>"
        for m in messages
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Outbox</title>'
        f"<style>{_STYLE}</style><main><h1>Outbox</h1><p>No mail is sent from this machine. "
        f"The newest messages, which work for one hour:</p>{rows or '<p>No messages yet.</p>'}"
        "</main></html>"
    )


public_router.add_api_route("/verify", follow_link)
public_router.add_api_route("/authorize", authorize)
public_router.add_api_route("/.well-known/openid-configuration", describe_provider)
public_router.add_api_route("/outbox", show_outbox)
