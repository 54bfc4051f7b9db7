"""The rate limits of each category, and what is stored of a response."""

import pytest

from msaas.gateway.domain.idempotency import (
    ClaimOutcome,
    ReplayPolicy,
    changes_state,
    decide_claim_outcome,
)
from msaas.gateway.domain.rate_limit_rules import RATE_LIMIT_RULES, RateLimitCategory


def test_some_categories_fail_open_while_redis_is_unavailable() -> None:
    is_open = {category: rule.fail_open for category, rule in RATE_LIMIT_RULES.items()}
    assert is_open == {
        RateLimitCategory.STANDARD: True,
        RateLimitCategory.CRITICAL: False,
        RateLimitCategory.REPORTS: False,
        RateLimitCategory.SNAPSHOTS: True,
        RateLimitCategory.WEBHOOKS: True,
    }


def test_the_limits_are_those_of_the_contract() -> None:
    table = {
        category: (rule.limit_for("FREE"), rule.limit_for("PRO"), rule.limit_for("ENTERPRISE"))
        for category, rule in RATE_LIMIT_RULES.items()
    }
    assert table == {
        RateLimitCategory.STANDARD: (120, 600, 1000),
        RateLimitCategory.CRITICAL: (30, 30, 30),
        RateLimitCategory.REPORTS: (10, 10, 10),
        RateLimitCategory.SNAPSHOTS: (30, 30, 30),
        RateLimitCategory.WEBHOOKS: (500, 500, 500),
    }
    assert {c: r.seconds for c, r in RATE_LIMIT_RULES.items() if r.seconds != 60} == {
        RateLimitCategory.REPORTS: 3600
    }


@pytest.mark.parametrize(
    ("status", "policy", "outcome"),
    [
        (201, ReplayPolicy.FULL, ClaimOutcome.COMPLETED),
        (202, ReplayPolicy.MARKER_ONLY, ClaimOutcome.COMPLETED),
        (202, ReplayPolicy.NONE, ClaimOutcome.RELEASED),
        (402, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
        (422, ReplayPolicy.MARKER_ONLY, ClaimOutcome.RELEASED),
        (500, ReplayPolicy.FULL, ClaimOutcome.LEFT_TO_EXPIRE),
        (503, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
        (504, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
    ],
)
def test_only_successes_are_stored(
    status: int, policy: ReplayPolicy, outcome: ClaimOutcome
) -> None:
    assert decide_claim_outcome(status, policy) == outcome


def test_only_methods_that_change_state_are_idempotent_requests() -> None:
    assert all(changes_state(method) for method in ("POST", "PUT", "PATCH", "DELETE"))
    assert not any(changes_state(method) for method in ("GET", "HEAD", "OPTIONS", "TRACE"))
