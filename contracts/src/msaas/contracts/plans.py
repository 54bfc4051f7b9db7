"""The plans a user can have, and their limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Plan(StrEnum):
    FREE = "FREE"
    PRO = "PRO"
    ENTERPRISE = "ENTERPRISE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """`jobs_per_period` None means no hard limit; `metered` usage is reported to Stripe."""

    jobs_per_period: int | None
    slots: int
    metered: bool
    requests_per_minute: int


PLANS: Mapping[Plan, PlanTerms] = MappingProxyType(
    {
        Plan.FREE: PlanTerms(jobs_per_period=100, slots=2, metered=False, requests_per_minute=120),
        Plan.PRO: PlanTerms(
            jobs_per_period=10_000, slots=20, metered=True, requests_per_minute=600
        ),
        Plan.ENTERPRISE: PlanTerms(
            jobs_per_period=None, slots=100, metered=True, requests_per_minute=1_000
        ),
    }
)
