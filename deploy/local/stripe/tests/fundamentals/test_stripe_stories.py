"""The stand-in in five stories, told with Stripe's own client."""

from typing import Any

import pytest
import stripe
from stripe_support import Catalogue, RunningStripe

DAY = 86_400
START = 1_700_000_000


def test_a_customer_subscribes_and_is_billed_for_the_month_and_its_usage(
    client: stripe.StripeClient, catalogue: Catalogue
) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": START})
    customer = client.v1.customers.create(
        {
            "email": "a@example.com",
            "test_clock": clock.id,
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    subscription = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": catalogue.flat}, {"price": catalogue.metered}],
        }
    )
    assert subscription.status == "active"
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": START + DAY})
    client.v1.billing.meter_events.create(
        {
            "event_name": catalogue.event_name,
            "payload": {"stripe_customer_id": customer.id, "value": "101"},
            "timestamp": START + DAY,
        }
    )
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": START + 31 * DAY})
    renewal, first = client.v1.invoices.list({"customer": customer.id}).data
    assert (first.total, first.status, first.billing_reason) == (
        2_900,
        "paid",
        "subscription_create",
    )
    # 101 units of half a cent are 50.5 cents, which is rounded once.
    assert [line.amount for line in renewal.lines.data] == [51, 2_900]
    assert (renewal.total, renewal.status, renewal.billing_reason) == (
        2_951,
        "paid",
        "subscription_cycle",
    )


def test_a_repeated_request_with_the_same_key_is_answered_from_memory(
    client: stripe.StripeClient,
) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "one-customer"}
    first = client.v1.customers.create({"email": "b@example.com"}, options)
    second = client.v1.customers.create({"email": "b@example.com"}, options)
    assert second.id == first.id
    assert second.last_response is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"


def test_an_unknown_parameter_is_refused_and_remembered(
    client: stripe.StripeClient, server: RunningStripe
) -> None:
    params: Any = {"customer": "cus_1", "payment_method_types": ["card"]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(params)
    assert refused.value.code == "parameter_unknown"
    assert server.violations[-1]["param"] == "payment_method_types"
    server.clear("violations")
    assert server.violations == []
