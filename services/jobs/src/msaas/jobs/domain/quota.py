"""How many jobs of a period are used, reserved and left."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self

from msaas.contracts import PLANS, Blocker, Plan
from msaas.jobs.domain.errors import QuotaExceeded

UPGRADE_URL = "/billing"


_MESSAGES: Final[Mapping[Blocker, str]] = {
    Blocker.PAST_DUE: "A payment has failed. Update the payment method.",
    Blocker.SPEND_LIMIT: "Your spend limit for this period is reached. Raise or remove it.",
    Blocker.PLAN: QuotaExceeded.default_message,
}


def find_blocker(
    taken: int, plan_limit: int | None, spend_limit: int | None, *, is_past_due: bool
) -> Blocker | None:
    """Find what refuses one more job; of several reasons the first in this order is named.

    1. `rate`: the gateway counts requests before it asks anyone else (429).
    2. `past_due`: the grace after a failed payment is over, and paying clears all below.
    3. `spend_limit`: the user's own limit is reached, and it is lower than the plan's.
    4. `plan`: the jobs of the plan are used or reserved; also where both limits are equal, since
       raising the own limit would not help.
    """
    if is_past_due:
        return Blocker.PAST_DUE
    is_own_lower = spend_limit is not None and (plan_limit is None or spend_limit < plan_limit)
    if is_own_lower and spend_limit is not None and taken >= spend_limit:
        return Blocker.SPEND_LIMIT
    if plan_limit is not None and taken >= plan_limit:
        return Blocker.PLAN
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`limit` is the plan's and `spend_limit` the user's own, in jobs; None is no limit."""

    limit: int | None
    used: int = 0
    reserved: int = 0
    spend_limit: int | None = None
    is_past_due: bool = False

    @property
    def blocker(self) -> Blocker | None:
        taken = self.used + self.reserved
        return find_blocker(taken, self.limit, self.spend_limit, is_past_due=self.is_past_due)

    @property
    def is_full(self) -> bool:
        return self.blocker is not None

    def reserve(self, resets_at: datetime) -> Self:
        """Reserve one job; it counts against the limit from now on, not from its completion."""
        if blocker := self.blocker:
            limits = {Blocker.PAST_DUE: 0, Blocker.SPEND_LIMIT: self.spend_limit}
            raise QuotaExceeded(
                _MESSAGES[blocker],
                blocked_by=blocker.value,
                limit=limits.get(blocker, self.limit),
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
