"""Which limit and which memory a request gets, by its method and path alone."""

import pytest

from msaas.gateway.domain.idempotency import (
    ClaimOutcome,
    ReplayPolicy,
    decide_claim_outcome,
    get_replay_policy,
    requires_key,
    supports_idempotency,
)
from msaas.gateway.domain.rate_limit_rules import RATE_LIMIT_RULES, RateLimitCategory, find_category


@pytest.mark.parametrize(
    ("method", "path", "category"),
    [
        ("GET", "/api/v1/jobs", RateLimitCategory.STANDARD),
        ("POST", "/api/v1/jobs", RateLimitCategory.STANDARD),
        ("DELETE", "/api/v1/schedules/7", RateLimitCategory.STANDARD),
        ("GET", "/api/v1/billing/invoices", RateLimitCategory.STANDARD),
        ("POST", "/api/v1/billing/checkout-session", RateLimitCategory.CRITICAL),
        ("POST", "/api/v1/api-keys", RateLimitCategory.CRITICAL),
        ("DELETE", "/api/v1/api-keys/7", RateLimitCategory.CRITICAL),
        ("POST", "/api/v1/privacy/erasure", RateLimitCategory.CRITICAL),
        ("PUT", "/api/v1/ops/flags/x", RateLimitCategory.CRITICAL),
        ("POST", "/api/v1/privacy/export", RateLimitCategory.REPORTS),
        ("POST", "/api/v1/billing/webhooks", None),
        ("GET", "/docs", None),
        ("GET", "/problems/conflict", None),
    ],
)
def test_a_request_falls_under_one_limit(
    method: str, path: str, category: RateLimitCategory | None
) -> None:
    assert find_category(method, path) == category


def test_what_is_open_and_what_is_closed_while_nobody_can_count() -> None:
    is_open = {category: rule.fail_open for category, rule in RATE_LIMIT_RULES.items()}
    assert is_open == {
        RateLimitCategory.STANDARD: True,
        RateLimitCategory.CRITICAL: False,
        RateLimitCategory.REPORTS: False,
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
        RateLimitCategory.WEBHOOKS: (500, 500, 500),
    }
    assert {c: r.seconds for c, r in RATE_LIMIT_RULES.items() if r.seconds != 60} == {
        RateLimitCategory.REPORTS: 3600
    }


@pytest.mark.parametrize(
    ("status", "keeping", "fate"),
    [
        (201, ReplayPolicy.FULL, ClaimOutcome.SETTLED),
        (202, ReplayPolicy.MARKER_ONLY, ClaimOutcome.SETTLED),
        (202, ReplayPolicy.NONE, ClaimOutcome.RELEASED),
        (402, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
        (422, ReplayPolicy.MARKER_ONLY, ClaimOutcome.RELEASED),
        (500, ReplayPolicy.FULL, ClaimOutcome.LEFT_TO_EXPIRE),
        (503, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
        (504, ReplayPolicy.FULL, ClaimOutcome.RELEASED),
    ],
)
def test_only_what_was_done_is_kept(status: int, keeping: ReplayPolicy, fate: ClaimOutcome) -> None:
    assert decide_claim_outcome(status, keeping) == fate


def test_a_key_means_something_where_something_changes() -> None:
    assert supports_idempotency("POST", "/api/v1/jobs")
    assert not supports_idempotency("GET", "/api/v1/jobs")
    assert not supports_idempotency("TRACE", "/api/v1/jobs")
    assert not supports_idempotency("POST", "/api/v1/billing/webhooks")
    assert requires_key("/api/v1/billing/portal-session")
    assert not requires_key("/api/v1/jobs")


@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v1/webhook-endpoints/7/rotate"])
def test_an_answer_that_shows_a_secret_is_not_kept(path: str) -> None:
    assert get_replay_policy(path) is ReplayPolicy.MARKER_ONLY
    assert get_replay_policy("/api/v1/jobs") is ReplayPolicy.FULL
