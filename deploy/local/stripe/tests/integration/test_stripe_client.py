"""Stripe's own client against the stand-in: sync, async, faults, limits, a killed server."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import stripe
from stripe_support import API_KEY, Catalogue, RunningStripe, running_stripe

# The client passes its body to httpx in the older way.
ASYNC_CLIENT = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@ASYNC_CLIENT
async def test_parallel_requests_with_one_key_create_one_customer(server: RunningStripe) -> None:
    options: stripe.RequestOptions = {"idempotency_key": uuid4().hex}
    email = f"{uuid4().hex}@example.com"
    async with server.async_client() as connect:
        customers = connect(API_KEY).v1.customers
        created = await asyncio.gather(
            *(customers.create_async({"email": email}, options) for _ in range(20))
        )
        assert len({customer.id for customer in created}) == 1
        listed = await customers.list_async({"email": email})
        assert [customer.id for customer in listed.data] == [created[0].id]
        with pytest.raises(stripe.IdempotencyError):
            await customers.create_async({"email": "other@example.com"}, options)


def test_the_client_pages_through_a_list(client: stripe.StripeClient) -> None:
    email = f"{uuid4().hex}@example.com"
    for _ in range(5):
        client.v1.customers.create({"email": email})
    found = client.v1.customers.list({"email": email, "limit": 2}).auto_paging_iter()
    assert len(list(found)) == 5


@pytest.mark.parametrize("key", ["sk_live_real", "nonsense"])
def test_a_key_of_live_mode_is_refused(server: RunningStripe, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        server.client(key=key).v1.customers.list()


def test_another_version_is_refused_and_recorded(server: RunningStripe) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="API version"):
        server.client().v1.customers.list({}, {"stripe_version": "2020-08-27"})
    assert "API version" in server.violations[-1]["message"]
    server.clear("violations")


@pytest.mark.parametrize("kind", ["lost_answer", "failed_answer", "status"])
def test_a_retry_after_a_fault_does_the_work_once(server: RunningStripe, kind: str) -> None:
    email = f"{uuid4().hex}@example.com"
    server.control("faults", kind=kind, method="POST", path="/v1/customers", status=500)
    client = server.client(retries=2)
    created = client.v1.customers.create({"email": email})
    listed = client.v1.customers.list({"email": email}).data
    assert [customer.id for customer in listed] == [created.id]
    assert all(fault["remaining"] == 0 for fault in server.read_control("state")["faults"])


def test_a_slow_answer_meets_the_clients_timeout(server: RunningStripe) -> None:
    server.control("faults", kind="timeout", method="GET", path="/v1/products", seconds=0.01)
    with pytest.raises(stripe.APIConnectionError):
        server.client().v1.products.list()


def test_an_error_of_the_server_is_answered_in_stripes_form(
    server: RunningStripe, client: stripe.StripeClient
) -> None:
    product = client.v1.products.create({"name": "A"})
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1})
    server.control("change-object", identifier=price.id, fields={"metadata": None})
    with pytest.raises(stripe.APIError) as failed:
        client.v1.prices.update(price.id, {"metadata": {"a": "b"}})
    assert failed.value.http_status == 500
    assert client.v1.prices.retrieve(price.id).active


def test_too_many_requests_are_refused(server: RunningStripe) -> None:
    server.control("faults", kind="status", method="GET", path="/v1/products", status=429)
    with pytest.raises(stripe.RateLimitError):
        server.client().v1.products.list()
    server.control("limits", path="/v1", per_second=1)
    try:
        with pytest.raises(stripe.RateLimitError):
            _list_products(server.client(), times=50)
    finally:
        server.control("limits", path="/v1", per_second=0)


def _list_products(client: stripe.StripeClient, times: int) -> None:
    for _ in range(times):
        client.v1.products.list()


@ASYNC_CLIENT
async def test_the_stream_takes_events_with_a_session(
    server: RunningStripe, catalogue: Catalogue
) -> None:
    async with server.async_client() as connect:
        client = connect(API_KEY)
        customer = await client.v1.customers.create_async({})
        session = await client.v2.billing.meter_event_session.create_async()
        streaming = connect(session.authentication_token)
        payload = {"stripe_customer_id": customer.id, "value": "3"}
        event: Any = {"event_name": catalogue.event_name, "payload": payload}
        await streaming.v2.billing.meter_event_stream.create_async({"events": [event, event]})
        with pytest.raises(stripe.AuthenticationError):
            await streaming.v1.customers.list_async()
        now = int(time.time()) // 60 * 60
        summaries = await client.v1.billing.meters.event_summaries.list_async(
            catalogue.meter,
            {"customer": customer.id, "start_time": now - 600, "end_time": now + 600},
        )
        assert [summary.aggregated_value for summary in summaries.data] == [6.0]


def test_a_server_that_is_killed_at_any_moment_loses_nothing_that_it_answered(
    tmp_path: Path,
) -> None:
    """Kill it while a client writes; each customer that was answered exists exactly once."""
    with running_stripe(tmp_path) as server:
        answered: list[tuple[str, str]] = []

        def write() -> None:
            connections = stripe.RequestsClient()
            client = server.client(http_client=connections)
            try:
                for number in range(10_000):
                    email = f"{len(answered)}-{number}@example.com"
                    customer = client.v1.customers.create({"email": email})
                    answered.append((customer.id, email))
            except stripe.APIConnectionError:
                connections.close()

        for count in (5, 40):
            writer = threading.Thread(target=write)
            writer.start()
            while len(answered) < count and writer.is_alive():
                time.sleep(0.001)
            server.kill()
            writer.join()
            server.start()
        stored = list(server.client().v1.customers.list({"limit": 100}).auto_paging_iter())
        by_id = {customer.id: customer.email for customer in stored}
        assert len(by_id) == len(stored)
        assert {one: by_id[one] for one, _ in answered} == dict(answered)
        # At most the request in flight was stored without an answer, at each kill.
        assert len(stored) - len(answered) <= 2
