"""Usage from its chain to the meter: each unit once, whatever is lost, late, doubled or refused."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from services.billing.tests.metering_support import Ledger, Metering, build_metering
from services.billing.tests.support import Billing

from msaas.billing.domain.errors import UsageRefused
from msaas.contracts import Plan

DAY = timedelta(days=1)


@pytest.fixture
def metering(billing: Billing) -> Metering:
    return build_metering(billing)


async def test_usage_in_any_order_and_twice_is_reported_once(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(20)
    ledger.add(kind="plan_changed", quantity=0)
    ledger.add_many(20)
    shuffled = [*ledger.events, *ledger.events[::3]]
    random.Random(7).shuffle(shuffled)  # noqa: S311  # an order, no secret
    for start in range(0, len(shuffled), 5):
        await metering.take(shuffled[start : start + 5])
    await metering.go_on(ledger)
    await metering.take_and_report(ledger, ledger.events)
    assert await metering.count_states(ledger) == {"REPORTED": 40}
    assert await metering.read_stripe(ledger) == 40
    [report] = await metering.list_reports(ledger)
    assert (report["first_seq"], report["last_seq"]) == (1, 41)
    assert report["head"].hex() == ledger.events[-1].hash
    assert metering.billing.stripe.violations == []


async def test_a_gap_holds_back_what_follows_and_is_requested(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(6)
    missing = ledger.events[2:4]
    await metering.take([event for event in ledger.events if event not in missing])
    await metering.go_on(ledger)
    assert await metering.count_states(ledger) == {"REPORTED": 2}
    gaps = await metering.billing.parts.metering.usage.claim_gaps(timedelta(0), DAY, 1_000)
    [gap] = [gap for gap in gaps if gap.subject_id == ledger.subject_id]
    assert (gap.first_seq, gap.last_seq) == (3, 4)
    again = await metering.billing.parts.metering.usage.claim_gaps(timedelta(0), DAY, 1_000)
    assert ledger.subject_id not in {gap.subject_id for gap in again}
    await metering.take_and_report(ledger, missing)
    assert await metering.count_states(ledger) == {"REPORTED": 6}
    assert await metering.read_stripe(ledger) == 6


async def test_an_entry_that_is_not_what_its_hash_says_is_refused(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    first, second = ledger.add_many(2)
    await metering.take([first])
    with pytest.raises(UsageRefused):
        await metering.take([replace(second, quantity=1_000)])
    twin = Ledger(user_id=ledger.user_id, subject_id=ledger.subject_id).add()
    with pytest.raises(UsageRefused):  # another entry under the same number
        await metering.take([twin])
    await metering.take_and_report(ledger, [second])
    assert await metering.read_stripe(ledger) == 2


async def test_an_entry_that_does_not_follow_the_chain_is_not_reported(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(2)
    fork = Ledger(user_id=ledger.user_id, subject_id=ledger.subject_id)
    fork.add_many(4)
    await metering.take_and_report(ledger, [*ledger.events, *fork.events[2:]])
    assert await metering.count_states(ledger) == {"REPORTED": 2}


async def test_free_usage_is_stored_and_never_reported(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(3, plan=Plan.FREE)
    ledger.add_many(2)
    await metering.take_and_report(ledger, ledger.events)
    assert await metering.count_states(ledger) == {"REPORTED": 2}
    assert await metering.read_stripe(ledger) == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "remaining": 3},
        {"kind": "status", "status": 429, "remaining": 3},
        {"kind": "lost_answer", "remaining": 3},
        {"kind": "failed_answer", "status": 500, "remaining": 3},
    ],
    ids=lambda fault: f"{fault['kind']}_{fault.get('status', '')}",
)
async def test_a_report_whose_answer_fails_is_sent_again_and_counts_once(
    metering: Metering, fault: dict[str, object]
) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(3)
    metering.billing.stripe.control("faults", path="/v1/billing/meter_events", **fault)
    try:
        await metering.take_and_report(ledger, ledger.events)
    finally:
        metering.billing.stripe.clear("faults")
    ledger.add_many(4)
    await metering.take_and_report(ledger, ledger.events)
    assert (await metering.list_reports(ledger))[0]["attempts"] <= 1
    await metering.make_due(ledger)
    await metering.go_on(ledger)
    await metering.go_on(ledger)
    reports = await metering.list_reports(ledger)
    assert sum(report["quantity"] for report in reports) == 7
    assert {report["state"] for report in reports} == {"REPORTED"}
    assert await metering.read_stripe(ledger) == 7


async def test_after_a_week_without_stripe_every_unit_arrives_once(metering: Metering) -> None:
    """One report is ambiguous, for its identifier is forgotten; the rest was never assigned."""
    ledger = await metering.open_ledger()
    ledger.add_many(3)
    fault = {"kind": "status", "status": 503, "remaining": 10_000}
    metering.billing.stripe.control("faults", path="/v1/billing/.*", **fault)
    try:
        for day in range(0, 8, 2):
            ledger.add_many(2)
            await metering.take(ledger.events)
            await metering.make_due(ledger)
            await metering.go_on(ledger)
            assert len(await metering.list_reports(ledger)) == 1, day
            await metering.shift_reports(ledger, first_sent_at=2 * DAY, last_sent_at=2 * DAY)
    finally:
        metering.billing.stripe.clear("faults")
    assert await metering.count_states(ledger) == {"AMBIGUOUS": 5}
    await metering.make_due(ledger)
    await metering.go_on(ledger)
    await metering.go_on(ledger)
    assert await metering.count_states(ledger) == {"REPORTED": 11}
    assert await metering.read_stripe(ledger) == 11


async def test_an_old_ambiguous_report_that_arrived_is_not_sent_again(metering: Metering) -> None:
    """Stripe has forgotten the identifier, so that a second send would count twice."""
    ledger = await metering.open_ledger()
    ledger.add_many(5)
    fault = {"kind": "failed_answer", "status": 500, "remaining": 3}
    metering.billing.stripe.control("faults", path="/v1/billing/meter_events", **fault)
    try:
        await metering.take_and_report(ledger, ledger.events)
    finally:
        metering.billing.stripe.clear("faults")
    assert await metering.count_states(ledger) == {"SENDING": 5}
    await metering.shift_reports(ledger, first_sent_at=DAY)
    await metering.make_due(ledger)
    await metering.go_on(ledger)  # the last attempt is too recent for the summaries
    assert await metering.count_states(ledger) == {"AMBIGUOUS": 5}
    await metering.shift_reports(ledger, last_sent_at=DAY)
    await metering.make_due(ledger)
    account = await metering.billing.get_account(ledger.user_id or ledger.subject_id)
    [report] = await metering.list_reports(ledger)
    metering.billing.stripe.control(
        "plant-usage",
        customer=account.customer_id,
        event_name="msaas_completed_jobs",
        value=1,
        timestamp=int(report["meter_timestamp"].timestamp()),
    )
    await metering.go_on(ledger)  # the sum fits neither: nothing is guessed
    assert await metering.count_states(ledger) == {"AMBIGUOUS": 5}
    [report] = await metering.list_reports(ledger)
    assert report["error"] == "summaries_disagree"
    assert await metering.read_stripe(ledger) == 6


async def test_an_ambiguous_report_in_the_summaries_is_taken_as_reported(
    metering: Metering,
) -> None:
    ledger = await metering.open_ledger()
    ledger.add_many(5)
    fault = {"kind": "failed_answer", "status": 500, "remaining": 3}
    metering.billing.stripe.control("faults", path="/v1/billing/meter_events", **fault)
    try:
        await metering.take_and_report(ledger, ledger.events)
    finally:
        metering.billing.stripe.clear("faults")
    await metering.shift_reports(ledger, first_sent_at=2 * DAY, last_sent_at=2 * DAY)
    await metering.make_due(ledger)
    await metering.go_on(ledger)
    assert await metering.count_states(ledger) == {"REPORTED": 5}
    assert await metering.read_stripe(ledger) == 5


async def test_usage_that_stripe_refuses_for_good_is_left_to_an_operator(
    metering: Metering,
) -> None:
    ledger = await metering.open_ledger()
    ledger.add(at=datetime.now(UTC) + timedelta(days=2))
    await metering.take_and_report(ledger, ledger.events)
    [report] = await metering.list_reports(ledger)
    assert (report["state"], report["error"]) == ("REJECTED", "timestamp_in_future")


async def test_a_correction_before_the_report_lowers_it(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    first, *_ = ledger.add_many(3)
    await metering.take(ledger.events)
    assert first.job_id is not None
    correction = await metering.correct.record(first.job_id, "It was empty.")
    again = await metering.correct.record(first.job_id, "It was empty.")
    assert (correction.means, correction.state, again.id) == (
        "unreported",
        "APPLIED",
        correction.id,
    )
    await metering.go_on(ledger)
    assert await metering.read_stripe(ledger) == 2


async def test_a_correction_within_a_day_replaces_the_report(metering: Metering) -> None:
    ledger = await metering.open_ledger()
    first, second, _ = ledger.add_many(3)
    await metering.take_and_report(ledger, ledger.events)
    for event, rest in ((first, 2), (second, 1)):
        assert event.job_id is not None
        correction = await metering.correct.record(event.job_id, "It was empty.")
        assert correction.means == "meter_adjustment"
        await metering.go_on(ledger)
        assert await metering.read_stripe(ledger) == rest
    assert await metering.count_states(ledger) == {"CANCELLED": 5, "REPORTED": 1}
    assert metering.billing.stripe.violations == []
