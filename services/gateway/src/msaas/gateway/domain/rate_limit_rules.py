"""The rate limit categories: how many requests, per user or address, and open or closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msaas.contracts import PLANS, Plan

API_PREFIX: Final = "/api/v1/"


class RateLimitCategory(StrEnum):
    STANDARD = "standard"
    CRITICAL = "critical"
    REPORTS = "reports"
    SNAPSHOTS = "snapshots"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitRule:
    """`max_requests` None is the limit of the user's plan.

    While Redis is unavailable, a `fail_open` category accepts every request and others none.
    """

    max_requests: int | None
    seconds: int = 60
    by_user: bool = False
    by_address: bool = False
    fail_open: bool = False

    def limit_for(self, plan: str) -> int:
        return self.max_requests or PLANS[Plan(plan)].requests_per_minute


# The identity service counts sign-ins itself.
RATE_LIMIT_RULES: Final[Mapping[RateLimitCategory, RateLimitRule]] = MappingProxyType(
    {
        RateLimitCategory.STANDARD: RateLimitRule(max_requests=None, by_user=True, fail_open=True),
        RateLimitCategory.CRITICAL: RateLimitRule(max_requests=30, by_user=True, by_address=True),
        RateLimitCategory.REPORTS: RateLimitRule(max_requests=10, seconds=3600, by_user=True),
        RateLimitCategory.SNAPSHOTS: RateLimitRule(max_requests=30, by_user=True, fail_open=True),
        RateLimitCategory.WEBHOOKS: RateLimitRule(
            max_requests=500, by_address=True, fail_open=True
        ),
    }
)
