"""Which limit a request falls under, who is counted, and what holds while nobody can count."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msaas.contracts import PLANS, Plan

API: Final = "/api/v1/"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Category(StrEnum):
    STANDARD = "standard"
    CRITICAL = "critical"
    REPORTS = "reports"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`most` None is what the user's plan allows; who is both by user and address is counted twice.

    Where the count is out of reach, an open category lets everybody in, a closed one nobody.
    """

    most: int | None
    seconds: int = 60
    by_user: bool = False
    by_address: bool = False
    open_without_count: bool = False

    def most_for(self, plan: str) -> int:
        return self.most or PLANS[Plan(plan)].requests_per_minute


# Signing in is the embedded identity's, which counts in its own memory.
RULES: Final[Mapping[Category, Rule]] = MappingProxyType(
    {
        Category.STANDARD: Rule(most=None, by_user=True, open_without_count=True),
        Category.CRITICAL: Rule(most=30, by_user=True, by_address=True),
        Category.REPORTS: Rule(most=10, seconds=3600, by_user=True),
        # What a signature does not vouch for is refused all the same.
        Category.WEBHOOKS: Rule(most=500, by_address=True, open_without_count=True),
    }
)
_WEBHOOKS: Final = "/api/v1/billing/webhooks"
_REPORTS: Final = "/api/v1/privacy/export"
_CRITICAL: Final = tuple(f"{API}{part}" for part in ("api-keys", "billing", "ops", "privacy"))


def find_category(method: str, path: str) -> Category | None:
    """Answer None for what no layer counts.

    That is what lies outside the API, and webhooks: a good signature exempts them, so that their
    route counts those without.
    """
    if not path.startswith(API) or path.startswith(_WEBHOOKS):
        return None
    if method in _READS:
        return Category.STANDARD
    if path.startswith(_REPORTS):
        return Category.REPORTS
    return Category.CRITICAL if path.startswith(_CRITICAL) else Category.STANDARD
