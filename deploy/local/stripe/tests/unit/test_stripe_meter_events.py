"""Meter events: Stripe's limits of time and uniqueness, delay, cancellation, errors afterwards."""

from typing import Any

import pytest
from direct_stripe import DAY, DirectStripe, Refused

MINUTE = 60


class Metered:
    """A customer at the server's time, and a meter."""

    def __init__(self) -> None:
        self.stripe = DirectStripe()
        self.customer = self.stripe.post("/v1/customers")["id"]
        self.meter = self.stripe.post(
            "/v1/billing/meters",
            display_name="Jobs",
            event_name="jobs",
            default_aggregation={"formula": "sum"},
        )["id"]

    @property
    def now(self) -> int:
        return int(self.stripe.clock.now().timestamp())

    def send(self, value: int | str = 1, **more: object) -> dict[str, Any]:
        payload = {"stripe_customer_id": self.customer, "value": str(value)}
        return self.stripe.post(
            "/v1/billing/meter_events", event_name="jobs", payload=payload, **more
        )

    def total(self, **more: object) -> float:
        begin = self.now // MINUTE * MINUTE
        summaries = self.stripe.get(
            f"/v1/billing/meters/{self.meter}/event_summaries",
            customer=self.customer,
            start_time=begin - 40 * DAY,
            end_time=begin + 10 * MINUTE,
            **more,
        )["data"]
        return sum(summary["aggregated_value"] for summary in summaries)


@pytest.fixture
def one() -> Metered:
    return Metered()


@pytest.mark.parametrize(
    ("offset", "code"),
    [
        (-35 * DAY - 1, "timestamp_too_far_in_past"),
        (5 * MINUTE + 1, "timestamp_in_future"),
        (-35 * DAY, None),
        (5 * MINUTE, None),
    ],
)
def test_a_timestamp_is_at_most_35_days_old_and_5_minutes_ahead(
    one: Metered, offset: int, code: str | None
) -> None:
    if code is None:
        assert one.send(timestamp=one.now + offset)["timestamp"] == one.now + offset
        return
    with pytest.raises(Refused) as refused:
        one.send(timestamp=one.now + offset)
    assert refused.value.error["code"] == code


async def test_an_identifier_is_unique_for_24_hours_only(one: Metered) -> None:
    one.send(3, identifier="job-1")
    with pytest.raises(Refused):
        one.send(3, identifier="job-1")
    assert one.total() == 3
    await one.stripe.clock.advance(DAY - 1)
    with pytest.raises(Refused):
        one.send(3, identifier="job-1")
    await one.stripe.clock.advance(1)
    one.send(3, identifier="job-1")
    assert one.total() == 6


async def test_an_event_can_be_cancelled_for_24_hours(one: Metered) -> None:
    def cancel(identifier: str) -> None:
        one.stripe.post(
            "/v1/billing/meter_event_adjustments",
            event_name="jobs",
            type="cancel",
            cancel={"identifier": identifier},
        )

    one.send(3, identifier="first")
    one.send(4, identifier="second")
    cancel("first")
    assert one.total() == 4
    for identifier in ("first", "unknown"):
        with pytest.raises(Refused):
            cancel(identifier)
    await one.stripe.clock.advance(DAY + 1)
    with pytest.raises(Refused):
        cancel("second")


async def test_summaries_show_an_event_after_the_aggregation_delay(one: Metered) -> None:
    one.stripe.server.api.controls.aggregation_delay = 30.0
    one.send(5)
    assert one.total() == 0
    await one.stripe.clock.advance(30)
    assert one.total() == 5


def test_windows_split_the_sum_and_boundaries_are_checked(one: Metered) -> None:
    day = one.now // DAY * DAY
    for offset, value in ((-1, 1), (0, 2)):
        one.send(value, timestamp=day + offset)
    path = f"/v1/billing/meters/{one.meter}/event_summaries"
    rows = one.stripe.get(
        path,
        customer=one.customer,
        start_time=day - DAY,
        end_time=day + DAY,
        value_grouping_window="day",
    )["data"]
    assert [(row["start_time"], row["aggregated_value"]) for row in rows] == [
        (day, 2.0),
        (day - DAY, 1.0),
    ]
    with pytest.raises(Refused):
        one.stripe.get(path, customer=one.customer, start_time=day + 1, end_time=day + DAY)


@pytest.mark.parametrize(("formula", "expected"), [("sum", 6.0), ("count", 3.0), ("last", 3.0)])
def test_each_formula_aggregates(formula: str, expected: float) -> None:
    one = Metered()
    meter = one.stripe.server.api.store.find_any(one.meter)
    assert meter is not None
    meter["default_aggregation"] = {"formula": formula}
    for value in (1, 2, 3):
        one.send(value)
    assert one.total() == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("many", "meter_event_invalid_value"),
        ("1234567890123456", "meter_event_value_too_many_digits"),
    ],
)
def test_a_wrong_value_is_refused(one: Metered, value: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        one.send(value)
    assert refused.value.error["code"] == code


def test_a_payload_needs_a_customer(one: Metered) -> None:
    with pytest.raises(Refused) as refused:
        one.stripe.post("/v1/billing/meter_events", event_name="jobs", payload={"value": "1"})
    assert refused.value.error["code"] == "meter_event_no_customer_defined"


def test_a_stream_reports_its_errors_afterwards_by_thin_events(one: Metered) -> None:
    good = {"stripe_customer_id": one.customer, "value": "2"}
    answer = one.stripe.post(
        "/v2/billing/meter_event_stream",
        events=[
            {"event_name": "jobs", "payload": good, "identifier": "good"},
            {"event_name": "jobs", "payload": {**good, "value": "x"}, "identifier": "bad"},
            {"event_name": "nothing", "payload": good, "identifier": "lost"},
        ],
    )
    assert answer == {}
    assert one.total() == 2
    events = list(one.stripe.server.api.store.list_kind("v2.core.event"))
    assert [event["type"] for event in events] == [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    fetched = one.stripe.get(f"/v2/core/events/{events[0]['id']}")
    assert fetched["related_object"]["id"] == one.meter
    (reported,) = fetched["data"]["reason"]["error_types"]
    assert reported["code"] == "meter_event_invalid_value"
    assert reported["sample_errors"][0]["request"] == {"identifier": "bad"}


def test_an_event_of_an_unknown_customer_is_accepted_and_reported(one: Metered) -> None:
    one.customer = "cus_unknown"
    one.send()
    (event,) = one.stripe.server.api.store.list_kind("v2.core.event")
    codes = [kind["code"] for kind in event["_data"]["reason"]["error_types"]]
    assert codes == ["meter_event_customer_not_found"]
