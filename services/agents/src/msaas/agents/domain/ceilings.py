"""What a run, and all runs of a user in a day, may use at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from msaas.contracts import RUN_CEILINGS, Ceilings, Plan

CeilingName = Literal["steps", "tokens", "cost", "seconds", "cost_of_the_day"]

DAY_COST_MICRO_USD: Final[Mapping[Plan, int]] = MappingProxyType(
    {Plan.FREE: 1_000_000, Plan.PRO: 30_000_000, Plan.ENTERPRISE: 500_000_000}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCeilings:
    steps: int
    tokens: int
    cost_micro_usd: int
    seconds: int


def limit_run(plan: Plan, requested: Ceilings) -> RunCeilings:
    """Return the lower of what the plan allows and what the run asks for."""
    allowed = RUN_CEILINGS[plan]

    def lower(name: str) -> int:
        given = (getattr(allowed, name), getattr(requested, name))
        return min(value for value in given if value is not None)

    return RunCeilings(
        steps=lower("steps"),
        tokens=lower("tokens"),
        cost_micro_usd=lower("cost_micro_usd"),
        seconds=lower("seconds"),
    )
