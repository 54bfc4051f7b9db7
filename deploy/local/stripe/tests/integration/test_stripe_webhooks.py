"""Webhooks: signed, retried, duplicated, reordered, dropped; two secrets; thin events."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import stripe
from stripe_support import Catalogue, RunningStripe, WebhookReceiver

from msaas.testing import wait_until

VERSION = "2026-10-28.endive"


@contextmanager
def _endpoint(
    client: stripe.StripeClient, receiver: WebhookReceiver, *types: str
) -> Generator[stripe.WebhookEndpoint]:
    """Create an endpoint for events that no other test causes."""
    events: Any = list(types)
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": events, "api_version": VERSION}
    )
    try:
        yield endpoint
    finally:
        client.v1.webhook_endpoints.delete(endpoint.id)


def _read(receiver: WebhookReceiver, secret: str) -> list[stripe.Event]:
    return [
        stripe.Webhook.construct_event(body, headers["stripe-signature"], secret)
        for headers, body in receiver.received
    ]


async def test_an_event_is_signed_and_tried_until_it_is_accepted(
    client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [500, 302, 400]
    with _endpoint(client, receiver, "customer.created") as endpoint:
        assert endpoint.secret
        customer = client.v1.customers.create({"email": "a@example.com"})
        await wait_until(lambda: len(receiver.received) == 4)
        events = _read(receiver, endpoint.secret)
        assert {event.id for event in events} == {events[0].id}
        assert (events[0].type, events[0].api_version) == ("customer.created", VERSION)
        assert events[0].data.object["id"] == customer.id
        assert events[0].request is not None
        assert events[0].request.idempotency_key is not None

        def is_settled() -> bool:
            return client.v1.events.retrieve(events[0].id).pending_webhooks == 0

        await wait_until(is_settled)


async def test_deliveries_are_duplicated_dropped_and_found_by_the_list(
    server: RunningStripe, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    with _endpoint(client, receiver, "product.created"):
        server.control("set-webhooks", duplicate_rate=1.0)
        product = client.v1.products.create({"name": uuid4().hex})
        await wait_until(lambda: len(receiver.received) == 2)
        assert receiver.received[0][1] == receiver.received[1][1]
        server.control("set-webhooks", drop_rate=1.0)
        lost = client.v1.products.create({"name": uuid4().hex})
        server.control("set-webhooks")
        missed = client.v1.events.list({"types": ["product.created"], "delivery_success": False})
        found = [event.data.object["id"] for event in missed.data]
        assert lost.id in found
        assert product.id not in found
        server.control("resend-event", event=missed.data[0].id)
        await wait_until(lambda: len(receiver.received) == 3)


async def test_held_deliveries_are_released_in_reverse(
    server: RunningStripe, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    with _endpoint(client, receiver, "price.updated") as endpoint:
        product = client.v1.products.create({"name": "A"})
        price = client.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 1}
        )
        server.control("set-webhooks", hold=True)
        for name in ("1", "2", "3"):
            client.v1.prices.update(price.id, {"nickname": name})
        server.control("set-webhooks")
        assert receiver.received == []
        assert server.control("release-webhooks", order="reversed") == {"released": 3}
        await wait_until(lambda: len(receiver.received) == 3)
        assert endpoint.secret
        events = _read(receiver, endpoint.secret)
        assert {event.data.object["nickname"] for event in events} == {"1", "2", "3"}
        changes: list[Any] = [event.data.previous_attributes for event in events]
        assert {change["nickname"] for change in changes} == {None, "1", "2"}


async def test_both_secrets_sign_while_a_secret_is_rolled(
    server: RunningStripe, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    with _endpoint(client, receiver, "customer.deleted") as endpoint:
        assert endpoint.secret
        rolled = server.control("roll-webhook-secret", endpoint=endpoint.id)["secret"]
        client.v1.customers.delete(client.v1.customers.create({}).id)
        await wait_until(lambda: receiver.received)
        for secret in (endpoint.secret, rolled):
            assert _read(receiver, secret)[0].type == "customer.deleted"
        receiver.received.clear()
        server.control("roll-webhook-secret", endpoint=endpoint.id, overlap=0)
        client.v1.customers.delete(client.v1.customers.create({}).id)
        await wait_until(lambda: receiver.received)
        assert receiver.received[0][0]["stripe-signature"].count("v1=") == 2
        with pytest.raises(stripe.SignatureVerificationError):
            _read(receiver, "whsec_other")


async def test_an_error_report_is_a_thin_event_that_is_fetched(
    client: stripe.StripeClient, catalogue: Catalogue, receiver: WebhookReceiver
) -> None:
    name = "v1.billing.meter.error_report_triggered"
    destination = client.v2.core.event_destinations.create(
        {
            "name": "errors",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": [name],
            "webhook_endpoint": {"url": receiver.url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    try:
        payload = {"stripe_customer_id": "cus_nobody", "value": "1"}
        client.v1.billing.meter_events.create(
            {"event_name": catalogue.event_name, "payload": payload, "identifier": "lost-one"}
        )
        await wait_until(lambda: receiver.received)
        headers, body = receiver.received[0]
        assert destination.webhook_endpoint is not None
        secret = destination.webhook_endpoint.signing_secret
        assert secret is not None
        thin = client.parse_event_notification(body, headers["stripe-signature"], secret)
        assert thin.type == name
        fetched: Any = client.v2.core.events.retrieve(thin.id)
        assert fetched.related_object.id == catalogue.meter
        (kind,) = fetched.data.reason.error_types
        assert kind.code == "meter_event_customer_not_found"
        assert kind.sample_errors[0].request.identifier == "lost-one"
    finally:
        client.v2.core.event_destinations.delete(destination.id)
