"""When a plan starts and ends, by rules rather than by example."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from msaas.billing.domain.accounts import (
    Account,
    AccountState,
    build_change,
    count_affordable_jobs,
    decide_state,
)
from msaas.billing.domain.checkout import ChangeKind, decide_change
from msaas.billing.domain.subscriptions import PLAN_RANK, Subscription, SubscriptionStatus
from msaas.contracts import Blocker, Plan

NOW = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC)
GRACE = timedelta(days=7)
MONTH = timedelta(days=30)
PAID_PLANS = st.sampled_from([Plan.PRO, Plan.ENTERPRISE])


def subscription(plan: Plan = Plan.PRO, status: str = "active", **fields: object) -> Subscription:
    values: dict[str, object] = {
        "id": f"sub_{uuid4().hex}",
        "period_start": NOW - timedelta(days=10),
        "period_end": NOW + timedelta(days=20),
        "started_at": NOW - timedelta(days=40),
    }
    return Subscription(plan=plan, status=status, **(values | fields))  # pyright: ignore[reportArgumentType]


SUBSCRIPTIONS = st.lists(
    st.builds(
        subscription,
        plan=PAID_PLANS,
        status=st.sampled_from([*SubscriptionStatus, "a_status_of_the_future"]),
        cancel_at_period_end=st.booleans(),
        cancelled_for_nonpayment=st.booleans(),
        period_end=st.timedeltas(timedelta(days=-20), timedelta(days=40)).map(
            lambda delta: NOW + delta
        ),
        period_start=st.timedeltas(timedelta(days=30), timedelta(days=60)).map(
            lambda delta: NOW - delta
        ),
    ),
    max_size=4,
)


@given(first=SUBSCRIPTIONS, second=SUBSCRIPTIONS)
def test_a_state_is_always_whole_and_a_repeat_changes_nothing(
    first: list[Subscription], second: list[Subscription]
) -> None:
    before = decide_state(AccountState(), first, NOW, GRACE)
    after = decide_state(before, second, NOW, GRACE)
    assert (after.plan is Plan.FREE) == (after.period_start is None)
    assert (after.period_start is None) == (after.period_end is None)
    assert after.next_plan is not after.plan
    assert after.next_look_at is None or after.next_look_at > NOW
    assert decide_state(after, second, NOW, GRACE) == after


def test_a_debt_of_a_lower_plan_takes_nothing_of_a_higher_one_that_is_paid() -> None:
    paid = decide_state(AccountState(), [subscription(plan=Plan.ENTERPRISE)], NOW, GRACE)
    owing = [subscription(plan=Plan.PRO, status=SubscriptionStatus.PAST_DUE)]
    kept = decide_state(paid, owing, NOW, GRACE)
    assert (kept.plan, kept.next_plan) == (Plan.ENTERPRISE, Plan.PRO)
    assert decide_state(kept, owing, NOW, GRACE) == kept


@given(paid=PAID_PLANS, lower=st.lists(st.just(Plan.PRO), max_size=1))
def test_what_was_paid_is_granted_until_its_end(paid: Plan, lower: list[Plan]) -> None:
    before = decide_state(AccountState(), [subscription(paid)], NOW, GRACE)
    ended = [subscription(paid, "canceled"), *(subscription(plan) for plan in lower)]
    held = decide_state(before, ended, NOW, GRACE)
    assert held.plan is paid
    assert held.next_look_at is not None
    end = before.period_end
    assert end is not None
    later = decide_state(held, ended, end, GRACE)
    expected = max([Plan.FREE, *lower], key=lambda plan: PLAN_RANK[plan])
    assert later.plan is (paid if expected is paid else expected)


def test_a_subscription_that_was_not_paid_ends_at_once() -> None:
    before = decide_state(AccountState(), [subscription()], NOW, GRACE)
    for unpaid in (
        subscription(status="unpaid"),
        subscription(status="canceled", cancelled_for_nonpayment=True),
    ):
        assert decide_state(before, [unpaid], NOW, GRACE).plan is Plan.FREE
    owing = decide_state(before, [subscription(status="past_due")], NOW, GRACE)
    assert decide_state(owing, [subscription(status="canceled")], NOW, GRACE).plan is Plan.FREE


def test_jobs_are_accepted_until_the_grace_ends_and_again_once_paid() -> None:
    owing = decide_state(AccountState(), [subscription(status="past_due")], NOW, GRACE)
    account = Account(
        id=uuid4(), user_id=uuid4(), customer_id="cus_1", state=owing, published_version=3
    )
    blockers = {
        at: change.blocked_by
        for at in (NOW, NOW + GRACE - timedelta(seconds=1), NOW + GRACE)
        if (change := build_change(account, at, GRACE))
    }
    assert list(blockers.values()) == [None, None, Blocker.PAST_DUE]
    assert owing.next_look_at == NOW + GRACE
    again = decide_state(owing, [subscription(status="past_due")], NOW + MONTH, GRACE)
    assert again.past_due_since == NOW
    assert decide_state(owing, [subscription()], NOW, GRACE).past_due_since is None


@given(amount=st.integers(0, 10**8), price=st.decimals("0.01", "10000", places=2))
def test_a_spend_limit_is_never_exceeded_and_never_too_strict(amount: int, price: Decimal) -> None:
    jobs = count_affordable_jobs(amount, price)
    assert jobs is not None
    assert jobs * price <= amount < (jobs + 1) * price


def test_no_limit_or_no_price_limits_nothing() -> None:
    assert count_affordable_jobs(None, Decimal(1)) is None
    assert count_affordable_jobs(100, None) is None
    assert count_affordable_jobs(100, Decimal(0)) is None


def test_each_change_of_a_plan_has_one_kind() -> None:
    pro, enterprise = subscription(Plan.PRO), subscription(Plan.ENTERPRISE)
    cancelled = replace(pro, cancel_at_period_end=True)
    lowered = replace(enterprise, next_plan=Plan.PRO)
    kinds = [
        decide_change(subscription_, plan).kind
        for subscription_, plan in (
            (pro, Plan.ENTERPRISE),
            (enterprise, Plan.PRO),
            (lowered, Plan.PRO),
            (lowered, Plan.ENTERPRISE),
            (pro, Plan.FREE),
            (cancelled, Plan.FREE),
            (cancelled, Plan.PRO),
            (cancelled, Plan.ENTERPRISE),
            (pro, Plan.PRO),
        )
    ]
    assert kinds == [
        ChangeKind.UPGRADE,
        ChangeKind.DOWNGRADE,
        ChangeKind.NOTHING,
        ChangeKind.KEEP,
        ChangeKind.CANCEL,
        ChangeKind.NOTHING,
        ChangeKind.KEEP,
        ChangeKind.UPGRADE,
        ChangeKind.NOTHING,
    ]
