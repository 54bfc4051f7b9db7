"""The shapes of flags, as operators switch them and as users are told of them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from msaas.flags import FlagScope
from msaas.gateway.entrypoints.http.dead_letter_models import Reason
from msaas.gateway.entrypoints.http.models import IntegralNumber


def _validate_scope(text: str) -> str:
    try:
        FlagScope.parse(text)
    except ValueError:
        words = "Must be global, plan:<PLAN> or user:<id>"
        raise PydanticCustomError("flag_scope", words) from None
    return text


ScopeText = Annotated[str, Field(max_length=64), AfterValidator(_validate_scope)]


class FlagSetting(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    scope: ScopeText = "global"
    percent: Annotated[IntegralNumber, Field(ge=0, le=100)]
    internal: bool = False
    reason: Reason


class FlagOverride(BaseModel):
    model_config = ConfigDict(frozen=True)

    scope: str
    percent: int
    internal: bool
    changed_by: UUID | None
    updated_at: datetime


class FlagState(BaseModel):
    """`default` is the environment's word, which holds where no override does."""

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    dark: bool
    default: bool
    overrides: list[FlagOverride]


class FlagStates(BaseModel):
    items: list[FlagState]


class OwnFlags(BaseModel):
    """What is on for whoever asks."""

    flags: dict[str, bool]
