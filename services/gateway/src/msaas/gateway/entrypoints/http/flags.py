"""Feature flags: their values for the caller, and for operators their overrides."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from msaas.contracts import Scope
from msaas.flags import FLAGS, FlagScope, Rollout
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import (
    CurrentActor,
    CurrentFlagContext,
    FeaturesDep,
    ManageFlagsDep,
)
from msaas.gateway.entrypoints.http.flag_models import (
    FlagOverride,
    FlagSetting,
    FlagState,
    FlagStates,
    OwnFlags,
    ScopeText,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1")
_READS_ACCOUNT = guard(RouteRule(scope=Scope.ACCOUNT_READ))
_OPERATOR_READS = guard(RouteRule(scope=Scope.OPS, operators_only=True))
_OPERATOR_WRITES = guard(
    RouteRule(scope=Scope.OPS, operators_only=True, rate_limit=RateLimitCategory.CRITICAL)
)


@router.get("/flags", dependencies=[_READS_ACCOUNT])
async def read_flags(context: CurrentFlagContext, features: FeaturesDep) -> OwnFlags:
    return OwnFlags(
        flags={name: features.switches.is_enabled(name, context) for name in sorted(FLAGS)}
    )


@router.get("/ops/flags", dependencies=[_OPERATOR_READS])
async def list_flags(manage_flags: ManageFlagsDep, features: FeaturesDep) -> FlagStates:
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
        for flag in sorted(FLAGS.values(), key=lambda flag: flag.name)
    ]
    return FlagStates(items=items)


@router.put("/ops/flags/{name}", status_code=204, dependencies=[_OPERATOR_WRITES])
async def set_flag(
    name: str, body: FlagSetting, actor: CurrentActor, manage_flags: ManageFlagsDep
) -> Response:
    rollout = Rollout(body.percent, body.internal)
    await manage_flags.set(actor, name, FlagScope.parse(body.scope), rollout, body.reason)
    return Response(status_code=204)


@router.delete("/ops/flags/{name}", status_code=204, dependencies=[_OPERATOR_WRITES])
async def unset_flag(
    name: str,
    actor: CurrentActor,
    manage_flags: ManageFlagsDep,
    scope: Annotated[ScopeText, Query()] = "global",
) -> Response:
    """Remove an override, so that the next one applies: plan, all users, default."""
    await manage_flags.unset(actor, name, FlagScope.parse(scope))
    return Response(status_code=204)
