"""Stripe-shaped objects, whole and hostile: what cannot be read is refused, never guessed."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from msaas.billing.adapters.stripe.events import read_event, read_meter_errors
from msaas.billing.adapters.stripe.objects import read_invoice, read_subscription
from msaas.billing.domain.catalogue import Price, PriceKind, PriceList
from msaas.billing.domain.stripe_events import ACTIONS, EventSource
from msaas.contracts import Plan


def price(id_: str, plan: Plan, kind: PriceKind) -> Price:
    return Price(
        id=id_,
        plan=plan,
        kind=kind,
        lookup_key=id_,
        product_id="prod",
        currency="usd",
        unit_amount=Decimal(1),
        interval="month",
        meter_id="mtr" if kind is PriceKind.METERED else None,
        is_offered=True,
    )


PRICES = PriceList(
    {
        each.id: each
        for each in (
            price("price_pro", Plan.PRO, PriceKind.FLAT),
            price("price_jobs", Plan.PRO, PriceKind.METERED),
            price("price_big", Plan.ENTERPRISE, PriceKind.FLAT),
        )
    }
)


def subscription(**fields: object) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": "si_1",
        "price": {"id": "price_pro", "object": "price"},
        "current_period_start": 1_767_225_600,
        "current_period_end": 1_769_904_000,
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "created": 1_767_225_600,
        "items": {"object": "list", "data": [item, {**item, "id": "si_2", "price": "price_jobs"}]},
        **fields,
    }


def test_a_subscription_is_read_with_expanded_and_plain_prices() -> None:
    found = read_subscription(subscription(), PRICES)
    assert found is not None
    assert (found.plan, found.flat_item_id, found.metered_item_id) == (Plan.PRO, "si_1", "si_2")
    assert found.grants_plan


@pytest.mark.parametrize(
    "fields",
    [
        {"cancel_at": None, "trial_end": None, "schedule": None, "latest_invoice": None},
        {"latest_invoice": {"id": "in_1"}, "cancellation_details": None},
        {"status": "a_status_of_the_future"},
        {"schedule": "sub_sched_1"},
        {"schedule": {"id": "sub_sched_1", "status": "active", "phases": None}},
        {"created": None, "cancel_at_period_end": None, "pause_collection": {"behavior": "void"}},
    ],
)
def test_missing_null_expanded_and_unknown_values_are_read(fields: dict[str, Any]) -> None:
    found = read_subscription(subscription(**fields), PRICES)
    assert found is not None
    assert found.plan is Plan.PRO
    assert found.grants_plan == (fields.get("status", "active") == "active")


def test_a_schedule_names_the_plan_of_the_next_phase() -> None:
    phase = {"items": [{"price": "price_big"}], "start_date": 1_769_904_000}
    now = {"items": [{"price": "price_pro"}], "start_date": 1_767_225_600}
    schedule = {"id": "sub_sched_1", "status": "active", "phases": [now, phase]}
    found = read_subscription(subscription(schedule=schedule), PRICES)
    assert found is not None
    assert found.plan_after_period is Plan.ENTERPRISE


@pytest.mark.parametrize("items", [None, [], {"data": []}, {"data": [{"price": "price_other"}]}])
def test_a_subscription_without_a_price_of_ours_is_none_of_ours(items: object) -> None:
    assert read_subscription(subscription(items=items), PRICES) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [*subscription(), "schedule", "cancel_at", "lines", "parent", "status_transitions", "total"]
)


@given(fields=st.dictionaries(NAMES, JSON, max_size=6))
@example(fields={"total": -(2**63) - 1})
def test_no_value_of_any_field_breaks_the_reading(fields: dict[str, Any]) -> None:
    read_subscription(subscription(**fields), PRICES)
    read_invoice(subscription(**fields))
    event = {"id": "evt_1", "type": "x", "created": 1, "data": {"object": fields}, **fields}
    read_event(event, EventSource.WEBHOOK)
    read_meter_errors({"data": fields})


@pytest.mark.parametrize("type_", sorted(ACTIONS))
def test_every_event_that_we_handle_names_its_object_and_customer(type_: str) -> None:
    about = subscription(object=type_.rpartition(".")[0])
    if type_.startswith("customer.") and type_.count(".") == 1:
        about |= {"object": "customer", "id": "cus_1"}
    event = {"id": "evt_1", "type": type_, "created": 1_767_225_600, "data": {"object": about}}
    found = read_event(event, EventSource.WEBHOOK)
    assert found is not None
    assert (found.customer_id, found.object_id) == ("cus_1", about["id"])


def test_an_invoice_keeps_its_lines_and_fractions() -> None:
    line = {
        "id": "il_1",
        "amount": 51,
        "quantity": 101,
        "pricing": {
            "unit_amount_decimal": "0.5",
            "price_details": {"price": {"id": "price_jobs"}},
        },
        "period": {"start": 1_767_225_600, "end": 1_769_904_000},
        "parent": {"subscription_item_details": {"subscription_item": "si_2", "proration": False}},
    }
    found = read_invoice(
        {
            "id": "in_1",
            "customer": {"id": "cus_1", "deleted": True},
            "status": "paid",
            "total": 51,
            "parent": {"subscription_details": {"subscription": {"id": "sub_1"}}},
            "lines": {"data": [line, {"amount": 3}, None]},
        }
    )
    assert found is not None
    assert (found.customer_id, found.subscription_id, len(found.lines)) == ("cus_1", "sub_1", 1)
    assert (found.lines[0].unit_amount, found.lines[0].price_id) == (Decimal("0.5"), "price_jobs")


def test_meter_errors_name_the_refused_reports() -> None:
    report = read_meter_errors(
        {
            "data": {
                "reason": {
                    "error_count": 2,
                    "error_types": [
                        {
                            "code": "meter_event_customer_not_found",
                            "error_count": 2,
                            "sample_errors": [{"request": {"identifier": "rep_1"}}, {}],
                        }
                    ],
                }
            }
        }
    )
    assert report.codes == {"meter_event_customer_not_found": 2}
    assert report.identifiers == {"rep_1": "meter_event_customer_not_found"}
