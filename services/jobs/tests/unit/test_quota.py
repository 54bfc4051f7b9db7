"""Quota, periods and accounts by their rules rather than by example."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import Blocker, Plan, SubscriptionChanged
from msaas.jobs.domain.accounts import Account
from msaas.jobs.domain.errors import QuotaExceeded
from msaas.jobs.domain.periods import Period, open_period
from msaas.jobs.domain.quota import Quota, find_blocker
from msaas.jobs.domain.subjects import BillingSubject
from msaas.jobs.domain.subscriptions import apply_subscription_change

MOMENTS = st.integers(0, 40 * 365 * 24 * 3600).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
PLANS = st.sampled_from(Plan)
STEPS = st.lists(st.booleans(), max_size=60)
END = datetime(2026, 2, 1, tzinfo=UTC)


@given(plan=PLANS, now=MOMENTS, gap=st.timedeltas(timedelta(0), timedelta(days=900)))
def test_the_next_period_holds_now_and_begins_no_earlier_than_the_last_one_ended(
    plan: Plan, now: datetime, gap: timedelta
) -> None:
    period = open_period(plan, now, after=now - gap)
    assert now - gap <= period.start <= now < period.end
    assert period.end - period.start <= timedelta(days=31)


@given(plan=PLANS, now=MOMENTS)
def test_a_first_period_holds_now_and_is_a_month(plan: Plan, now: datetime) -> None:
    period = open_period(plan, now)
    assert period.start <= now < period.end
    assert timedelta(days=28) <= period.end - period.start <= timedelta(days=31)


@given(now=MOMENTS)
def test_free_counts_by_the_calendar_wherever_the_user_is(now: datetime) -> None:
    period = open_period(Plan.FREE, now)
    assert (period.start.day, period.end.day) == (1, 1)
    assert period.start.utcoffset() == timedelta(0)


def test_a_provisional_period_follows_the_last_one_without_a_gap() -> None:
    now, ended = datetime(2026, 4, 3, tzinfo=UTC), datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert open_period(Plan.PRO, now, after=ended) == Period(
        datetime(2026, 3, 31, 15, tzinfo=UTC), datetime(2026, 4, 30, 15, tzinfo=UTC)
    )


@given(limit=st.none() | st.integers(0, 20), used=st.integers(0, 20), steps=STEPS)
def test_never_more_than_the_limit_and_never_refused_below_it(
    limit: int | None, used: int, steps: list[bool]
) -> None:
    quota = Quota(limit=limit, used=used)
    for is_submit in steps:
        has_capacity = limit is None or quota.used + quota.reserved < limit
        if is_submit and has_capacity:
            quota = quota.reserve(END)
        elif is_submit:
            with pytest.raises(QuotaExceeded):
                quota.reserve(END)
        elif quota.reserved:
            quota = quota.release()
    assert limit is None or quota.used + quota.reserved <= max(limit, used)


@given(steps=STEPS)
def test_an_account_has_a_ledger_entry_for_every_change_of_its_quota(steps: list[bool]) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    subject = BillingSubject(
        subject_id=uuid4(),
        user_id=uuid4(),
        plan=Plan.PRO,
        period=Period(datetime(2025, 12, 5, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)),
    )
    account = Account.open(subject, (), now)
    held = 0
    for is_submit in steps:
        if is_submit:
            assert account.reserve() == account.period.start
            held += 1
        elif held:
            account.release(account.period.start)
            held -= 1
    account.release(subject.period.start)
    assert account.is_new
    assert account.quota.reserved == account.reservation_changes[account.period.start] == held
    assert account.reservation_changes[subject.period.start] == -1
    assert account.period.start == subject.period.end


LIMITS = st.none() | st.integers(0, 20)


@given(plan=LIMITS, own=LIMITS, taken=st.integers(0, 25))
def test_the_lower_of_two_limits_refuses_and_is_named(
    plan: int | None, own: int | None, taken: int
) -> None:
    blocker = find_blocker(taken, plan, own, is_past_due=False)
    lowest = min((limit for limit in (plan, own) if limit is not None), default=None)
    assert (blocker is not None) == (lowest is not None and taken >= lowest)
    if blocker is Blocker.SPEND_LIMIT:
        assert own == lowest
        assert own != plan
    if blocker is Blocker.PLAN:
        assert plan == lowest
    assert find_blocker(taken, plan, own, is_past_due=True) is Blocker.PAST_DUE


def change(**fields: object) -> SubscriptionChanged:
    values: dict[str, object] = {
        "user_id": uuid4(),
        "plan": Plan.PRO,
        "status": "active",
        "jobs_limit": 10_000,
        "period_start": END - timedelta(days=31),
        "period_end": END,
    }
    return SubscriptionChanged.model_validate(values | fields)


def test_a_spend_limit_and_a_debt_apply_at_once_and_survive_the_next_period() -> None:
    now = END - timedelta(days=5)
    subject = BillingSubject(
        subject_id=uuid4(),
        user_id=uuid4(),
        plan=Plan.FREE,
        period=Period(END - timedelta(days=31), END),
    )
    for fields, expected in (
        ({"version": 1, "spend_limit_jobs": 3}, Blocker.SPEND_LIMIT),
        ({"version": 2, "spend_limit_jobs": 3, "blocked_by": Blocker.PAST_DUE}, Blocker.PAST_DUE),
        # A lower plan waits until the period ends; what blocks does not wait.
        ({"version": 3, "plan": Plan.FREE, "period_start": None, "period_end": None}, None),
    ):
        subject = apply_subscription_change(subject, change(**fields), now).subject
        assert subject.plan is Plan.PRO
        assert subject.block(Quota(limit=10_000, used=3)).blocker is expected
    limited = apply_subscription_change(subject, change(version=4, spend_limit_jobs=3), now).subject
    later = limited.roll_over(END + timedelta(seconds=1))
    assert later.block(Quota(limit=10_000, used=3)).blocker is Blocker.SPEND_LIMIT


def test_a_refusal_names_what_blocks_and_its_figure() -> None:
    for quota, blocker, limit in (
        (Quota(limit=5, used=5, spend_limit=9), "plan", 5),
        (Quota(limit=None, used=5, spend_limit=4), "spend_limit", 4),
        (Quota(limit=5, is_past_due=True), "past_due", 0),
    ):
        with pytest.raises(QuotaExceeded) as refusal:
            quota.reserve(END)
        assert (refusal.value.context["blocked_by"], refusal.value.context["limit"]) == (
            blocker,
            limit,
        )
