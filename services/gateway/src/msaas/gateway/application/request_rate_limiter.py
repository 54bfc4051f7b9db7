"""Counts a request against the limits of its category."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from msaas.auth import ApiKeyGrant
from msaas.cache import Bucket, RateLimit, RateLimitDecision, RateLimiter
from msaas.gateway.domain.rate_limit_rules import RATE_LIMIT_RULES, RateLimitCategory, RateLimitRule
from msaas.kernel import DependencyUnavailable, Overloaded


class Caller(NamedTuple):
    user_id: UUID
    plan: str
    key: ApiKeyGrant | None = None


class RequestRateLimiter:
    """Counts every request; limits that are not `enforced` refuse none."""

    def __init__(
        self,
        limiter: RateLimiter,
        *,
        enforced: bool,
        rules: Mapping[RateLimitCategory, RateLimitRule] = RATE_LIMIT_RULES,
    ) -> None:
        self._limiter = limiter
        self.enforced = enforced
        self._rules = rules

    async def __call__(
        self, category: RateLimitCategory, caller: Caller | None, address: str
    ) -> RateLimitDecision | None:
        """Return None if there is no caller to count, or Redis is unavailable."""
        rule = self._rules[category]
        buckets = _buckets(category, rule, caller, address)
        if not buckets:
            return None
        try:
            return await self._limiter.take(*buckets)
        except (DependencyUnavailable, Overloaded):
            if rule.fail_open or not self.enforced:
                return None
            raise


def _buckets(
    category: RateLimitCategory, rule: RateLimitRule, caller: Caller | None, address: str
) -> tuple[Bucket, ...]:
    """Unauthenticated requests of user categories are not counted: the route answers 401."""
    if not rule.by_user:
        return (Bucket(_limit(category, rule), address),)
    if caller is None:
        return ()
    limit = _limit(category, rule, caller.plan)
    buckets = [Bucket(limit, str(caller.user_id))]
    if rule.by_address:
        buckets.append(Bucket(limit, address))
    if caller.key is not None and caller.key.requests_per_minute is not None:
        buckets.append(
            Bucket(RateLimit("key", caller.key.requests_per_minute, 60), str(caller.key.id))
        )
    return tuple(buckets)


def _limit(category: RateLimitCategory, rule: RateLimitRule, plan: str = "FREE") -> RateLimit:
    return RateLimit(category, rule.limit_for(plan), rule.seconds)
