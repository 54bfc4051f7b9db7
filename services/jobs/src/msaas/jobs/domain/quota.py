"""How many jobs of a period are used, reserved and left."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from msaas.contracts import PLANS, Plan
from msaas.jobs.domain.errors import QuotaExceeded

UPGRADE_URL = "/billing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`limit` None means that there is no hard limit."""

    limit: int | None
    used: int = 0
    reserved: int = 0

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.used + self.reserved >= self.limit

    def reserve(self, resets_at: datetime) -> Self:
        """Reserve one job; it counts against the limit from now on, not from its completion."""
        if self.is_full:
            raise QuotaExceeded(
                limit=self.limit,
                used=self.used,
                reserved=self.reserved,
                resets_at=resets_at.isoformat(),
                upgrade_url=UPGRADE_URL,
            )
        return self.overdraw()

    def overdraw(self) -> Self:
        """Reserve one job regardless of the limit."""
        return replace(self, reserved=self.reserved + 1)

    def release(self) -> Self:
        return replace(self, reserved=self.reserved - 1)


def resolve_limit(plan: Plan, grants: Mapping[str, int | None]) -> int | None:
    """Prefer the limit granted to this user; None there removes the limit."""
    return grants.get("jobs_per_period", PLANS[plan].jobs_per_period)
