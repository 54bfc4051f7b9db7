"""Which limit a request falls under, who is counted, and what holds while nobody can count."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msaas.contracts import PLANS, Plan

API_PREFIX: Final = "/api/v1/"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class RateLimitCategory(StrEnum):
    STANDARD = "standard"
    CRITICAL = "critical"
    REPORTS = "reports"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitRule:
    """`most` None is what the user's plan allows; who is both by user and address is counted twice.

    Where the count is out of reach, an open category lets everybody in, a closed one nobody.
    """

    max_requests: int | None
    seconds: int = 60
    by_user: bool = False
    by_address: bool = False
    fail_open: bool = False

    def limit_for(self, plan: str) -> int:
        return self.max_requests or PLANS[Plan(plan)].requests_per_minute


# Signing in is the embedded identity's, which counts in its own memory.
RATE_LIMIT_RULES: Final[Mapping[RateLimitCategory, RateLimitRule]] = MappingProxyType(
    {
        RateLimitCategory.STANDARD: RateLimitRule(max_requests=None, by_user=True, fail_open=True),
        RateLimitCategory.CRITICAL: RateLimitRule(max_requests=30, by_user=True, by_address=True),
        RateLimitCategory.REPORTS: RateLimitRule(max_requests=10, seconds=3600, by_user=True),
        # What a signature does not vouch for is refused all the same.
        RateLimitCategory.WEBHOOKS: RateLimitRule(
            max_requests=500, by_address=True, fail_open=True
        ),
    }
)
_WEBHOOKS_PATH: Final = "/api/v1/billing/webhooks"
_REPORTS_PATH: Final = "/api/v1/privacy/export"
_CRITICAL_PATHS: Final = tuple(
    f"{API_PREFIX}{part}" for part in ("api-keys", "billing", "ops", "privacy")
)


def find_category(method: str, path: str) -> RateLimitCategory | None:
    """Answer None for what no layer counts.

    That is what lies outside the API, and webhooks: a good signature exempts them, so that their
    route counts those without.
    """
    if not path.startswith(API_PREFIX) or path.startswith(_WEBHOOKS_PATH):
        return None
    if method in _SAFE_METHODS:
        return RateLimitCategory.STANDARD
    if path.startswith(_REPORTS_PATH):
        return RateLimitCategory.REPORTS
    return (
        RateLimitCategory.CRITICAL
        if path.startswith(_CRITICAL_PATHS)
        else RateLimitCategory.STANDARD
    )
