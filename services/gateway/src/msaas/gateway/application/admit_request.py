"""Counting a request against the limits of its category."""

from typing import NamedTuple
from uuid import UUID

from msaas.cache import Bucket, Limit, Limiter, Verdict
from msaas.gateway.domain.rate_rules import RULES, Category, Rule
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.web.auth import KeyGrant


class Caller(NamedTuple):
    user_id: UUID
    plan: str
    key: KeyGrant | None = None


class RequestAdmission:
    """Where limits are not enforced, requests are counted and told what is left, and let in."""

    def __init__(self, limiter: Limiter, *, enforced: bool) -> None:
        self._limiter = limiter
        self.enforced = enforced

    async def __call__(
        self, category: Category, caller: Caller | None, address: str
    ) -> Verdict | None:
        """Answer None where there is nobody to count, or no way to."""
        rule = RULES[category]
        buckets = _buckets(category, rule, caller, address)
        if not buckets:
            return None
        try:
            return await self._limiter.take(*buckets)
        except (DependencyUnavailable, Overloaded):
            if rule.open_without_count or not self.enforced:
                return None
            raise


def _buckets(
    category: Category, rule: Rule, caller: Caller | None, address: str
) -> tuple[Bucket, ...]:
    """Count no stranger's request against an address that others share: it gets 401 anyway."""
    if not rule.by_user:
        return (Bucket(_limit(category, rule), address),)
    if caller is None:
        return ()
    limit = _limit(category, rule, caller.plan)
    buckets = [Bucket(limit, str(caller.user_id))]
    if rule.by_address:
        buckets.append(Bucket(limit, address))
    if caller.key is not None and caller.key.requests_per_minute is not None:
        buckets.append(Bucket(Limit("key", caller.key.requests_per_minute, 60), str(caller.key.id)))
    return tuple(buckets)


def _limit(category: Category, rule: Rule, plan: str = "FREE") -> Limit:
    return Limit(category, rule.most_for(plan), rule.seconds)
