"""Which limit and which memory a request gets, by its method and path alone."""

import pytest

from msaas.gateway.domain.rate_rules import RULES, Category, find_category
from msaas.gateway.domain.repeats import (
    Fate,
    Keeping,
    decide_fate,
    keeping_by_path,
    may_repeat,
    needs_key,
)


@pytest.mark.parametrize(
    ("method", "path", "category"),
    [
        ("GET", "/api/v1/jobs", Category.STANDARD),
        ("POST", "/api/v1/jobs", Category.STANDARD),
        ("DELETE", "/api/v1/schedules/7", Category.STANDARD),
        ("GET", "/api/v1/billing/invoices", Category.STANDARD),
        ("POST", "/api/v1/billing/checkout-session", Category.CRITICAL),
        ("POST", "/api/v1/api-keys", Category.CRITICAL),
        ("DELETE", "/api/v1/api-keys/7", Category.CRITICAL),
        ("POST", "/api/v1/privacy/erasure", Category.CRITICAL),
        ("PUT", "/api/v1/ops/flags/x", Category.CRITICAL),
        ("POST", "/api/v1/privacy/export", Category.REPORTS),
        ("POST", "/api/v1/billing/webhooks", None),
        ("GET", "/docs", None),
        ("GET", "/problems/conflict", None),
    ],
)
def test_a_request_falls_under_one_limit(method: str, path: str, category: Category | None) -> None:
    assert find_category(method, path) == category


def test_what_is_open_and_what_is_closed_while_nobody_can_count() -> None:
    is_open = {category: rule.open_without_count for category, rule in RULES.items()}
    assert is_open == {
        Category.STANDARD: True,
        Category.CRITICAL: False,
        Category.REPORTS: False,
        Category.WEBHOOKS: True,
    }


def test_the_limits_are_those_of_the_contract() -> None:
    table = {
        category: (rule.most_for("FREE"), rule.most_for("PRO"), rule.most_for("ENTERPRISE"))
        for category, rule in RULES.items()
    }
    assert table == {
        Category.STANDARD: (120, 600, 1000),
        Category.CRITICAL: (30, 30, 30),
        Category.REPORTS: (10, 10, 10),
        Category.WEBHOOKS: (500, 500, 500),
    }
    assert {c: r.seconds for c, r in RULES.items() if r.seconds != 60} == {Category.REPORTS: 3600}


@pytest.mark.parametrize(
    ("status", "keeping", "fate"),
    [
        (201, Keeping.WHOLE, Fate.SETTLED),
        (202, Keeping.FACT, Fate.SETTLED),
        (202, Keeping.NOTHING, Fate.RELEASED),
        (402, Keeping.WHOLE, Fate.RELEASED),
        (422, Keeping.FACT, Fate.RELEASED),
        (500, Keeping.WHOLE, Fate.LEFT),
        (503, Keeping.WHOLE, Fate.RELEASED),
        (504, Keeping.WHOLE, Fate.RELEASED),
    ],
)
def test_only_what_was_done_is_kept(status: int, keeping: Keeping, fate: Fate) -> None:
    assert decide_fate(status, keeping) == fate


def test_a_key_means_something_where_something_changes() -> None:
    assert may_repeat("POST", "/api/v1/jobs")
    assert not may_repeat("GET", "/api/v1/jobs")
    assert not may_repeat("TRACE", "/api/v1/jobs")
    assert not may_repeat("POST", "/api/v1/billing/webhooks")
    assert needs_key("/api/v1/billing/portal-session")
    assert not needs_key("/api/v1/jobs")


@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v1/webhook-endpoints/7/rotate"])
def test_an_answer_that_shows_a_secret_is_not_kept(path: str) -> None:
    assert keeping_by_path(path) is Keeping.FACT
    assert keeping_by_path("/api/v1/jobs") is Keeping.WHOLE
