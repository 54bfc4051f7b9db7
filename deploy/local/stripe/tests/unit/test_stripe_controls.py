"""The operator's controls: the server's time, planted discrepancies, disputes, dunning."""

from typing import Any

import pytest
from direct_stripe import DAY, DirectStripe, Refused, Subscriber

from msaas.stripe.domain.errors import ApiError


@pytest.fixture
def one() -> Subscriber:
    """Return a subscriber that follows the server's time, as the product's customers do."""
    subscriber = Subscriber(DirectStripe())
    subscriber.customer = subscriber.stripe.post(
        "/v1/customers",
        email="a@example.com",
        invoice_settings={"default_payment_method": "pm_card_visa"},
    )["id"]
    subscriber.subscribe()
    return subscriber


def _server_time(one: Subscriber) -> int:
    return one.stripe.server.api.timeline.now()


def test_the_servers_time_renews_subscriptions_without_a_test_clock(one: Subscriber) -> None:
    one.use(10, at=_server_time(one))
    one.stripe.operate("advance", seconds=32 * DAY)
    assert [(invoice["total"], invoice["status"]) for invoice in one.invoices()] == [
        (2_900, "paid"),
        (2_905, "paid"),
    ]
    with pytest.raises(ApiError, match="only goes forward"):
        one.stripe.operate("advance", seconds=-1)


def test_one_customer_can_be_ahead_of_all_others(one: Subscriber) -> None:
    other = Subscriber(one.stripe)
    other.customer = one.stripe.post("/v1/customers", email="b@example.com")["id"]
    one.use(10, at=_server_time(one))
    before = _server_time(one)
    [ahead] = [one.stripe.operate("advance_customer", customer=one.customer, seconds=32 * DAY)]
    assert [(invoice["total"], invoice["status"]) for invoice in one.invoices()] == [
        (2_900, "paid"),
        (2_905, "paid"),
    ]
    again = one.stripe.operate("advance_customer", customer=one.customer, seconds=31 * DAY)
    assert again["test_clock"] == ahead["test_clock"]
    assert len(one.invoices()) == 3
    assert _server_time(one) - before < DAY
    assert one.stripe.get(f"/v1/customers/{other.customer}")["test_clock"] is None
    one.stripe.operate("advance", seconds=90 * DAY)
    assert len(one.invoices()) == 3


async def test_time_that_passes_by_itself_renews_too(one: Subscriber) -> None:
    await one.stripe.clock.advance(32 * DAY)
    assert len(one.invoices()) == 2


def test_a_discrepancy_of_each_kind_can_be_planted(one: Subscriber) -> None:
    now = _server_time(one)
    one.use(5, at=now)

    def total() -> float:
        begin = now // 60 * 60
        summaries = one.stripe.get(
            f"/v1/billing/meters/{one.meter}/event_summaries",
            customer=one.customer,
            start_time=begin - 60,
            end_time=begin + 60,
        )["data"]
        return sum(summary["aggregated_value"] for summary in summaries)

    events = one.events()
    planted = one.stripe.operate(
        "plant_usage", customer=one.customer, event_name=one.event_name, value=3, timestamp=now
    )
    assert total() == 8
    one.stripe.operate("lose_usage", identifier=planted["identifier"])
    assert total() == 5
    one.stripe.operate("change_object", identifier=one.subscription, fields={"status": "past_due"})
    assert one.read()["status"] == "past_due"
    one.stripe.operate("remove_object", identifier=one.subscription)
    with pytest.raises(Refused, match="No such subscription"):
        one.read()
    assert one.events() == events


def test_a_dispute_names_its_charge_and_is_closed(one: Subscriber) -> None:
    (charge,) = one.stripe.list_all("/v1/charges", customer=one.customer)
    dispute = one.stripe.operate("dispute_charge", charge=charge["id"])
    assert (dispute["charge"], dispute["amount"]) == (charge["id"], 2_900)
    assert one.stripe.get(f"/v1/charges/{charge['id']}")["disputed"]
    one.stripe.operate("close_dispute", dispute=dispute["id"], status="lost")
    assert one.stripe.get(f"/v1/disputes/{dispute['id']}")["status"] == "lost"
    assert one.events()[-2:] == ["charge.dispute.created", "charge.dispute.closed"]


@pytest.mark.parametrize(
    ("outcome", "status"), [("canceled", "canceled"), ("past_due", "past_due")]
)
def test_the_end_of_dunning_is_chosen(one: Subscriber, outcome: str, status: str) -> None:
    one.stripe.operate("set_controls", after_dunning=outcome, dunning_days=[1])
    one.stripe.operate("fail_payments", customer=one.customer)
    one.stripe.operate("advance", seconds=35 * DAY)
    assert one.read()["status"] == status


def test_a_checkout_data_that_is_not_implemented_is_refused(one: Subscriber) -> None:
    session: dict[str, Any] = {
        "mode": "subscription",
        "success_url": "http://x",
        "line_items": [{"price": one.flat, "quantity": 1}],
    }
    with pytest.raises(Refused, match="does not implement"):
        one.stripe.post(
            "/v1/checkout/sessions", **session, subscription_data={"on_behalf_of": "acct_1"}
        )
    one.stripe.post("/v1/checkout/sessions", **session, subscription_data={"trial_period_days": 3})
    one.stripe.operate("advance", seconds=DAY + 1)
    (expired,) = one.stripe.list_all("/v1/checkout/sessions")
    assert (expired["status"], expired["amount_total"]) == ("expired", 0)
    assert one.events()[-1] == "checkout.session.expired"


def test_an_object_that_is_broken_on_purpose_stops_no_other(one: Subscriber) -> None:
    healthy = Subscriber(one.stripe)
    healthy.customer = one.stripe.post(
        "/v1/customers", invoice_settings={"default_payment_method": "pm_card_visa"}
    )["id"]
    healthy.subscribe()
    one.stripe.operate("remove_object", identifier=one.customer)
    one.stripe.operate("advance", seconds=32 * DAY)
    assert len(healthy.invoices()) == 2
    assert len(one.invoices()) == 1
    assert one.read()["status"] == "active"
