"""Rules of metering and money for any usage: nothing is lost in groups, sums and roundings."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from msaas.billing.domain.corrections import InvoicedUsage, credit_amount
from msaas.billing.domain.metering import (
    MAX_AGE,
    BilledPeriod,
    Link,
    Settlement,
    follow_chain,
    plan_reports,
    settle,
)
from msaas.billing.domain.money import next_period_end, price_units, prorate
from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import USAGE_GENESIS, Plan

NOW = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
START = datetime(2026, 11, 12, 8, 15, tzinfo=UTC)
PERIOD = BilledPeriod(start=START, end=START + timedelta(days=30))
AMOUNTS = st.decimals(min_value=0, max_value=1_000, places=3)


def build_event(seq: int, at: datetime, plan: Plan, quantity: int) -> UsageEvent:
    return UsageEvent(
        subject_id=UUID(int=1),
        seq=seq,
        kind="job_completed",
        job_id=UUID(int=seq),
        quantity=quantity,
        plan=plan,
        occurred_at=at,
        period_start=at.replace(day=1),
        prev_hash=USAGE_GENESIS,
        hash=f"{seq:064x}",
    )


def times(first: datetime, last: datetime) -> st.SearchStrategy[datetime]:
    bounds = first.replace(tzinfo=None), last.replace(tzinfo=None)
    return st.datetimes(*bounds, timezones=st.just(UTC))


usage = st.lists(
    st.tuples(
        times(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)),
        st.sampled_from([Plan.PRO, Plan.ENTERPRISE]),
        st.integers(1, 1_000),
    ),
    max_size=30,
)


@given(usage)
def test_reports_hold_every_unit_once_in_order_and_in_one_billed_period(
    given_usage: list[tuple[datetime, Plan, int]],
) -> None:
    events = [build_event(seq, *one) for seq, one in enumerate(given_usage, start=1)]
    drafts = list(plan_reports(events, PERIOD, NOW))
    assert [seq for draft in drafts for seq in draft.seqs] == [event.seq for event in events]
    for draft in drafts:
        held = [events[seq - 1] for seq in draft.seqs]
        assert draft.quantity == sum(event.quantity for event in held)
        assert len({event.plan for event in held}) == 1
        assert draft.head == held[-1].hash
        assert draft.meter_timestamp >= (NOW - MAX_AGE).replace(microsecond=0)
        timestamps = [PERIOD.bill_at(event.occurred_at, NOW) for event in held]
        assert draft.meter_timestamp == max(timestamps)
        assert len({PERIOD.count_boundaries(at) for at in timestamps}) == 1
        assert draft.meter_timestamp >= START  # the period before it is invoiced


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500))
def test_a_settlement_never_contradicts_what_the_meter_has(
    known: int, own: int, others: int
) -> None:
    assert settle(known, known, own, others) is Settlement.ABSENT
    assert settle(known + own + others, known, own, others) is Settlement.RECEIVED
    for partial in {known + own, known + others} - {known, known + own + others}:
        assert settle(partial, known, own, others) is Settlement.UNDECIDED


@given(st.integers(1, 12), st.sets(st.integers(1, 12)))
def test_a_chain_is_followed_up_to_its_first_gap(length: int, missing: set[int]) -> None:
    hashes = [USAGE_GENESIS, *(f"{seq:064x}" for seq in range(1, length + 1))]
    links = [
        Link(seq, hashes[seq - 1], hashes[seq])
        for seq in range(1, length + 1)
        if seq not in missing
    ]
    reached = min((seq for seq in range(1, length + 1) if seq in missing), default=length + 1) - 1
    assert follow_chain(0, USAGE_GENESIS, links) == (reached, hashes[reached])


@given(AMOUNTS, st.lists(st.integers(1, 20), max_size=8), st.integers(0, 100))
def test_credits_add_up_to_what_the_line_costs_less(
    unit_amount: Decimal, voided: list[int], rest: int
) -> None:
    quantity = sum(voided) + rest
    credited = total = 0
    for each in voided:
        line = InvoicedUsage(
            invoice_id="in_1",
            line_id="il_1",
            is_paid=True,
            quantity=quantity,
            unit_amount=unit_amount,
            credited=credited,
        )
        total += credit_amount(line, each)
        credited += each
    assert total == price_units(unit_amount, quantity) - price_units(unit_amount, rest)


@given(st.integers(0, 10**9), st.integers(0, 10**7), st.integers(1, 10**7))
def test_a_share_is_within_half_a_cent_and_no_more_than_the_whole(
    amount: int, part: int, whole: int
) -> None:
    part = min(part, whole)
    share = prorate(amount, part, whole)
    assert abs(2 * (share * whole - amount * part)) <= whole
    assert 0 <= share <= amount
    assert prorate(-amount, part, whole) == -share


@given(times(datetime(2024, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)))
def test_periods_follow_each_other_by_the_anchors_day(anchor: datetime) -> None:
    end = anchor
    for _ in range(24):
        following = next_period_end(anchor, end)
        assert timedelta(days=28) <= following - end <= timedelta(days=31)
        assert following.day == anchor.day or (following + timedelta(days=1)).day == 1
        assert following.timetz() == anchor.timetz()
        end = following
