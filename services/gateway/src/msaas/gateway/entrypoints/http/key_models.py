"""Request and response models of API keys."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from msaas.contracts import PLANS, Scope
from msaas.gateway.entrypoints.http.models import (
    IntegralNumber,
    Moment,
    RequestModel,
    ResponseModel,
)

MAX_GRACE_SECONDS = 7 * 24 * 3600
MAX_REQUESTS_PER_MINUTE = max(plan.requests_per_minute for plan in PLANS.values())


def _require_distinct(scopes: list[Scope]) -> list[Scope]:
    if len(set(scopes)) < len(scopes):
        raise PydanticCustomError("scopes_repeated", "Name each scope once")
    return scopes


def _require_future(value: datetime) -> datetime:
    if value <= datetime.now(UTC):
        raise PydanticCustomError("moment_passed", "Must be in the future")
    return value


class KeyRequest(RequestModel):
    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
    ]
    scopes: Annotated[
        list[Annotated[Scope, Field(strict=False)]],
        Field(min_length=1, max_length=len(Scope)),
        AfterValidator(_require_distinct),
    ]
    expires_at: Annotated[Moment, AfterValidator(_require_future)] | None = None
    requests_per_minute: (
        Annotated[IntegralNumber, Field(ge=1, le=MAX_REQUESTS_PER_MINUTE)] | None
    ) = None


class RotateRequest(RequestModel):
    grace_seconds: Annotated[IntegralNumber, Field(ge=0, le=MAX_GRACE_SECONDS)] = 0


class Key(ResponseModel):
    """A key without its secret text."""

    id: UUID
    name: str
    prefix: str
    scopes: list[Scope]
    requests_per_minute: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: UUID | None


class NewKey(Key):
    key: str


class Keys(ResponseModel):
    items: list[Key]
    next_cursor: str | None


class RevokedKeys(ResponseModel):
    revoked: int
