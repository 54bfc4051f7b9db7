"""The caller's own profile, and when the caller hears about the quota."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from msaas.auth import Unauthenticated
from msaas.contracts import Scope
from msaas.gateway.application.manage_profile import ProfileChange, find_reached_level
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, JobViewsDep, ProfilesDep
from msaas.gateway.entrypoints.http.models import (
    Me,
    RequestModel,
    ResponseModel,
    Usage,
    to_model,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/me")
_READS_ACCOUNT = guard(RouteRule(scope=Scope.ACCOUNT_READ))
_SESSIONS_ONLY = guard(RouteRule())
Level = Literal[50, 80, 100]


def _check_name(name: str) -> str:
    stripped = name.strip()
    if not stripped or not stripped.isprintable():
        raise ValueError("must have visible characters only")
    return stripped


class ProfileRequest(RequestModel):
    display_name: Annotated[str, Field(max_length=80), AfterValidator(_check_name)] | None = None
    locale: Literal["en", "de"] | None = None


class NotificationsRequest(RequestModel):
    quota: Annotated[list[Level], Field(max_length=3)]


class Notifications(ResponseModel):
    """`reached` is the highest of the levels that the usage of this period has reached."""

    quota: list[int]
    reached: int | None
    resets_at: datetime | None


@router.get("", dependencies=[_READS_ACCOUNT])
async def read_me(user: CurrentUser, views: JobViewsDep) -> Me:
    account = await views.find_account(user.id)
    if account is None:
        raise Unauthenticated  # erased between the check and the read
    usage = await views.find_usage(user.id)
    return Me.model_validate({**account, "usage": to_model(Usage, usage) if usage else None})


@router.patch("", dependencies=[_SESSIONS_ONLY])
async def change_profile(
    body: ProfileRequest, user: CurrentUser, profiles: ProfilesDep, views: JobViewsDep
) -> Me:
    given: dict[str, Any] = body.model_dump(exclude_unset=True)
    await profiles.change(user.id, ProfileChange(fields=frozenset(given), **given))
    return await read_me(user, views)


@router.get("/notifications", dependencies=[_READS_ACCOUNT])
async def read_notifications(user: CurrentUser, views: JobViewsDep) -> Notifications:
    account, usage = await views.find_account(user.id), await views.find_usage(user.id)
    if account is None:
        raise Unauthenticated
    levels: list[int] = sorted(account["quota_notifications"])
    if usage is None:
        return Notifications(quota=levels, reached=None, resets_at=None)
    reached = find_reached_level(usage["jobs_used"], usage["jobs_limit"], levels)
    return Notifications(quota=levels, reached=reached, resets_at=usage["period_end"])


@router.put("/notifications", dependencies=[_SESSIONS_ONLY])
async def set_notifications(
    body: NotificationsRequest, user: CurrentUser, profiles: ProfilesDep, views: JobViewsDep
) -> Notifications:
    await profiles.set_quota_levels(user.id, sorted(set(body.quota)))
    return await read_notifications(user, views)
