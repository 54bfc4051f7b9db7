"""Flags: what is on for me, and for operators what is on for whom."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from msaas.auth import UserPrincipal, current_user
from msaas.flags import FLAGS, FlagScope, Rollout
from msaas.gateway.application.audit import Actor
from msaas.gateway.application.features import Features
from msaas.gateway.application.manage_flags import ManageFlags
from msaas.gateway.entrypoints.http.flag_models import (
    FlagOverride,
    FlagSetting,
    FlagState,
    FlagStates,
    OwnFlags,
    ScopeText,
)
from msaas.gateway.entrypoints.http.guards import build_flag_subject
from msaas.gateway.entrypoints.http.operators import Operator
from msaas.web import from_state

CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
ManageFlagsDep = Annotated[ManageFlags, Depends(from_state("switch_flags"))]
FeaturesDep = Annotated[Features, Depends(from_state("features"))]

router = APIRouter(prefix="/api/v1")


@router.get("/flags")
async def read_flags(user: CurrentUser, request: Request, features: FeaturesDep) -> OwnFlags:
    subject = build_flag_subject(user, request)
    return OwnFlags(
        flags={name: features.switches.is_enabled(name, subject) for name in sorted(FLAGS)}
    )


@router.get("/ops/flags")
async def list_flags(
    operator: Operator,  # noqa: ARG001  # whoever it is
    manage_flags: ManageFlagsDep,
    features: FeaturesDep,
) -> FlagStates:
    rows = await manage_flags.list_overrides()
    items = [
        FlagState(
            name=flag.name,
            summary=flag.summary,
            dark=flag.dark,
            default=features.switches.defaults[flag.name],
            overrides=[
                FlagOverride.model_validate(row) for row in rows if row["name"] == flag.name
            ],
        )
        for flag in sorted(FLAGS.values(), key=lambda one: one.name)
    ]
    return FlagStates(items=items)


@router.put("/ops/flags/{name}", status_code=204)
async def set_flag(
    name: str, body: FlagSetting, operator: Operator, request: Request, manage_flags: ManageFlagsDep
) -> Response:
    rollout = Rollout(body.percent, body.internal)
    actor = Actor(operator, request.state.correlation_id)
    await manage_flags.set(actor, name, FlagScope.parse(body.scope), rollout, body.reason)
    return Response(status_code=204)


@router.delete("/ops/flags/{name}", status_code=204)
async def unset_flag(
    name: str,
    operator: Operator,
    request: Request,
    manage_flags: ManageFlagsDep,
    scope: Annotated[ScopeText, Query()] = "global",
) -> Response:
    """Let what lies below have the word again: the plan's override, all users', the default."""
    await manage_flags.unset(
        Actor(operator, request.state.correlation_id), name, FlagScope.parse(scope)
    )
    return Response(status_code=204)
