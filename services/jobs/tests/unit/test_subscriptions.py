"""How a subscription changes plan and period."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from msaas.contracts import Plan, SubscriptionChanged
from msaas.jobs.domain.periods import Period
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter
from msaas.jobs.domain.subscriptions import PlanChange, apply_subscription_change

SECOND = timedelta(seconds=1)


def day(number: int, month: int = 1, hour: int = 0) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


JANUARY, FEBRUARY = Period(day(1), day(1, 2)), Period(day(1, 2), day(1, 3))
PAID = Period(day(10), day(10, 2))
FREE_USER = BillingSubject(
    subject_id=UUID(int=1), user_id=UUID(int=2), plan=Plan.FREE, period=JANUARY, plan_version=1
)
PRO_USER = replace(FREE_USER, plan=Plan.PRO, period=PAID, paid_until=PAID.end)


def change(plan: Plan, period: Period | None = PAID, **fields: Any) -> SubscriptionChanged:
    start, end = period or (None, None)
    fields_: dict[str, Any] = {
        "user_id": UUID(int=2),
        "version": 2,
        "status": "active",
        "jobs_limit": {Plan.FREE: 100, Plan.PRO: 10_000, Plan.ENTERPRISE: None}[plan],
    }
    return SubscriptionChanged(plan=plan, period_start=start, period_end=end, **fields_ | fields)


def to_free(**fields: Any) -> SubscriptionChanged:
    return change(Plan.FREE, None, status="canceled", **fields)


def test_an_upgrade_closes_the_old_period_where_the_paid_one_begins() -> None:
    applied = apply_subscription_change(FREE_USER, change(Plan.PRO), PAID.start + SECOND)
    assert applied.closed_period == Period(day(1), day(10))
    assert (applied.subject.plan, applied.subject.period) == (Plan.PRO, PAID)
    assert applied.subject.paid_until == PAID.end


def test_a_further_upgrade_within_the_same_paid_period_begins_now() -> None:
    now = day(20)
    applied = apply_subscription_change(PRO_USER, change(Plan.ENTERPRISE), now)
    assert applied.closed_period == Period(day(10), now)
    assert applied.subject.period == Period(now, day(10, 2))
    assert applied.subject.find_limit(()) is None


@pytest.mark.parametrize("behind", [timedelta(0), SECOND])
def test_an_upgrade_at_the_very_start_of_a_period_leaves_none_without_length(
    behind: timedelta,
) -> None:
    applied = apply_subscription_change(PRO_USER, change(Plan.ENTERPRISE), PAID.start - behind)
    assert applied.closed_period is None
    assert (applied.subject.plan, applied.subject.period) == (Plan.ENTERPRISE, PAID)


def test_a_period_has_length_also_where_the_clock_was_set_back() -> None:
    over = Period(day(1), PAID.start - SECOND)
    period = apply_subscription_change(
        PRO_USER, change(Plan.ENTERPRISE, over), PAID.start - 2 * SECOND
    ).subject.period
    assert period == PAID


def test_a_downgrade_waits_until_what_was_paid_for_is_over() -> None:
    rich = replace(PRO_USER, plan=Plan.ENTERPRISE, terms={"jobs_per_period": None})
    waiting = apply_subscription_change(rich, change(Plan.PRO), day(20)).subject
    assert (waiting.plan, waiting.next_plan, waiting.period) == (Plan.ENTERPRISE, Plan.PRO, PAID)
    after = waiting.roll_over(day(10, 2))
    assert (after.plan, after.next_plan) == (Plan.PRO, None)
    assert after.period == Period(day(10, 2), day(10, 3))
    assert after.find_limit(()) == 10_000


def test_a_cancellation_is_taken_back_by_news_that_the_plan_goes_on() -> None:
    leaving = apply_subscription_change(
        PRO_USER, change(Plan.PRO, next_plan=Plan.FREE), day(20)
    ).subject
    assert leaving.roll_over(day(10, 2)).plan is Plan.FREE
    staying = apply_subscription_change(leaving, change(Plan.PRO, version=3), day(21)).subject
    assert staying.roll_over(day(10, 2)).plan is Plan.PRO


@pytest.mark.parametrize("status", ["unpaid", "incomplete_expired"])
def test_what_was_not_paid_ends_at_once(status: str) -> None:
    applied = apply_subscription_change(PRO_USER, change(Plan.FREE, None, status=status), day(20))
    assert applied.closed_period == Period(day(10), day(20))
    assert applied.subject.plan is Plan.FREE
    assert applied.subject.period == Period(day(20), day(1, 2))


@pytest.mark.parametrize("version", [0, 1])
def test_what_is_not_newer_changes_nothing(version: int) -> None:
    known = replace(PRO_USER, plan_version=1)
    old = to_free().model_copy(update={"version": version})
    assert apply_subscription_change(known, old, day(10, 6)) == PlanChange(subject=known)


def test_a_provisional_period_keeps_its_start_and_takes_the_end_that_was_paid() -> None:
    renewed = Period(day(10, 2) + SECOND, day(10, 3) + SECOND)
    after = apply_subscription_change(PRO_USER, change(Plan.PRO, renewed), day(10, 2) + 5 * SECOND)
    assert after.closed_period is None
    assert after.subject.period == Period(day(10, 2), renewed.end)
    again = apply_subscription_change(
        after.subject, change(Plan.PRO, renewed, version=3), day(11, 2)
    )
    assert again.subject.period == after.subject.period


def test_a_provisional_period_that_was_not_paid_goes_on_as_free() -> None:
    provisional = PRO_USER.roll_over(day(10, 2, 1))
    assert provisional.plan is Plan.PRO
    after = apply_subscription_change(provisional, to_free(), day(10, 2, 2))
    assert after.closed_period is None
    assert (after.subject.plan, after.subject.period) == (Plan.FREE, Period(day(10, 2), day(1, 3)))


def test_free_never_spans_two_months_however_late_it_is_published() -> None:
    provisional = PRO_USER.roll_over(day(10, 2))
    after = apply_subscription_change(provisional, to_free(), day(3, 3))
    assert after.closed_period == Period(day(10, 2), day(1, 3))
    assert after.subject.period == Period(day(1, 3), day(1, 4))


def test_a_period_that_is_paid_before_the_last_one_ended_has_its_own_counter() -> None:
    anew = Period(day(20), day(20, 2))
    after = apply_subscription_change(PRO_USER, change(Plan.PRO, anew), day(20) + SECOND)
    assert after.closed_period == Period(day(10), day(20))
    assert after.subject.period == anew


def test_a_renewal_that_comes_a_moment_early_waits_for_its_period() -> None:
    renewed = Period(PAID.end, day(10, 3))
    early = apply_subscription_change(
        PRO_USER, change(Plan.PRO, renewed, next_plan=Plan.FREE), PAID.end - SECOND
    )
    assert early.subject.period == PAID
    after = early.subject.roll_over(PAID.end)
    assert (after.plan, after.period) == (Plan.PRO, renewed)
    assert after.roll_over(renewed.end).plan is Plan.FREE


def test_a_subscription_whose_period_is_over_gives_its_plan_for_a_provisional_one() -> None:
    after = apply_subscription_change(
        FREE_USER, change(Plan.PRO, Period(day(1, 12) - timedelta(365), day(5))), day(20)
    )
    assert after.subject.plan is Plan.PRO
    assert after.subject.period.start <= day(20) < after.subject.period.end
    assert (
        apply_subscription_change(after.subject, to_free(version=3), day(21)).subject.plan
        is Plan.FREE
    )


def test_free_news_of_a_free_user_reuses_the_month() -> None:
    after = apply_subscription_change(FREE_USER, to_free(), day(20))
    assert after == PlanChange(
        subject=replace(FREE_USER, plan_version=2, terms={"jobs_per_period": 100})
    )


def test_a_user_who_returns_to_free_within_a_month_has_the_rest_of_it() -> None:
    back = apply_subscription_change(
        PRO_USER, change(Plan.FREE, None, status="unpaid"), day(20)
    ).subject
    counted = [
        UsageCounter(Plan.FREE, Period(day(1), day(10)), Quota(limit=100, used=58, reserved=2)),
        UsageCounter(Plan.PRO, Period(day(10), day(20)), Quota(limit=10_000, used=900)),
    ]
    assert back.find_limit(counted) == 40
    assert replace(back, period=FEBRUARY).find_limit(counted) == 100


def test_terms_of_the_subscription_hold_and_an_override_wins_over_them() -> None:
    special = apply_subscription_change(
        FREE_USER, change(Plan.PRO, jobs_limit=25_000), day(11)
    ).subject
    assert special.find_limit(()) == 25_000
    assert replace(special, overrides={"jobs_per_period": None}).find_limit(()) is None
