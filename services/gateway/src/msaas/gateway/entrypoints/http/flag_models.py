"""Request and response models of feature flags."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from msaas.flags import FlagScope
from msaas.gateway.entrypoints.http.dead_letter_models import Reason
from msaas.gateway.entrypoints.http.models import IntegralNumber, RequestModel, ResponseModel


def _validate_scope(text: str) -> str:
    try:
        FlagScope.parse(text)
    except ValueError:
        message = "Must be global, plan:<PLAN> or user:<id>"
        raise PydanticCustomError("flag_scope", message) from None
    return text


ScopeText = Annotated[str, Field(max_length=64), AfterValidator(_validate_scope)]


class FlagSetting(RequestModel):
    scope: ScopeText = "global"
    percent: Annotated[IntegralNumber, Field(ge=0, le=100)]
    internal: bool = False
    reason: Reason


class FlagOverride(ResponseModel):
    scope: str
    percent: int
    internal: bool
    changed_by: UUID | None
    updated_at: datetime


class FlagState(ResponseModel):
    """`default` comes from the environment and applies without an override."""

    name: str
    summary: str
    dark: bool
    default: bool
    overrides: list[FlagOverride]


class FlagStates(ResponseModel):
    items: list[FlagState]


class OwnFlags(ResponseModel):
    """The flags as they are for the caller."""

    flags: dict[str, bool]
