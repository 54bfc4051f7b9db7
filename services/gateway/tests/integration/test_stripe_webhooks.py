"""Stripe's webhooks over HTTP: answered with 200 once billing has committed, and never before."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import FakeRefusal, RunningGateway
from stripe import WebhookSignature

from msaas.contracts import StripeEventReceived
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

SECRET = "whsec_local"
PATH = "/api/v1/billing/webhooks"


class FakeBilling:
    """The service billing on the real Redis: stores each event, or refuses them all."""

    def __init__(self, messenger: Messenger) -> None:
        self.events: list[StripeEventReceived] = []
        self.refusal: FakeRefusal | None = None
        messenger.consume_batches("billing.webhooks", self._handle)

    async def _handle(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        outgoing: list[OutgoingMessage] = []
        for delivery in batch:
            if self.refusal is not None:
                outgoing += delivery.reply_error(self.refusal)
                continue
            assert isinstance(delivery.message, StripeEventReceived)
            self.events.append(delivery.message)
            outgoing += delivery.reply_success()
        return outgoing


@pytest_asyncio.fixture
async def billing(
    redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[FakeBilling]:
    broker = RedisBroker(redis_url_for("billing"), command_timeout=GENEROUS_TIMEOUT)
    messenger = Messenger(
        broker,
        "billing",
        environment,
        metrics=Metrics("billing", environment),
        timings=ConsumerTimings(block_timeout=0.05),
    )
    fake = FakeBilling(messenger)
    running = asyncio.create_task(messenger.run())
    yield fake
    messenger.drain()
    await running
    await broker.close()


def event(**fields: object) -> dict[str, Any]:
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1"}},
    } | fields


def sign(body: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """Sign as Stripe's own package does."""
    generate: Any = WebhookSignature.generate_signature_header  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    header: str = generate(body.decode("latin-1"), secret, at)
    return {"stripe-signature": header, "content-type": "application/json; charset=utf-8"}


async def test_what_stripe_sends_is_stored_or_refused_and_an_unsure_answer_is_no_200(
    gateway: RunningGateway, billing: FakeBilling
) -> None:
    """One gateway for all cases, since each is one request."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=GENEROUS_TIMEOUT) as http:

        async def send(body: bytes, headers: dict[str, str] | None = None) -> int:
            answer = await http.post(PATH, content=body, headers=headers or sign(body))
            return answer.status_code

        plain = json.dumps(event()).encode()
        assert await send(plain) == 200
        assert (billing.events[-1].object_id, billing.events[-1].customer_id) == ("sub_1", "cus_1")
        thin = event(
            object="v2.core.event",
            type="v1.billing.meter.error_report_triggered",
            created="2026-11-30T23:59:59.000Z",
            related_object={"id": "mtr_1", "type": "billing.meter", "url": "/v1/x"},
        )
        assert await send(json.dumps(thin).encode()) == 200
        assert (billing.events[-1].is_thin, billing.events[-1].object_id) == (True, "mtr_1")
        expanded = event(data={"object": {"id": "in_1", "customer": {"id": "cus_2"}}})
        assert await send(json.dumps(expanded).encode()) == 200
        assert billing.events[-1].customer_id == "cus_2"
        large = event(data={"object": {"id": "in_2", "lines": ["x" * 1_000] * 150}})
        assert await send(json.dumps(large).encode()) == 200
        assert (billing.events[-1].payload, billing.events[-1].object_id) == (None, "in_2")
        stored = len(billing.events)
        hostile = [
            *(b"", b"[]", b"null", b"\xff\xfe", b'{"id": "evt_1"', b'{"id": 1}'),
            *(json.dumps(event(**{name: None})).encode() for name in ("id", "type", "created")),
            json.dumps(event(created=10**18)).encode(),
            json.dumps(event(livemode="no")).encode(),
            json.dumps(event(id="evt 1")).encode(),
        ]
        assert [await send(body) for body in hostile] == [400] * len(hostile)
        old, future = int(time.time()) - 3_600, int(time.time()) + 3_600
        unsigned = [
            sign(plain, "whsec_other"),
            sign(plain, at=old),
            sign(plain, at=future),
            sign(plain + b" "),
            {"content-type": "application/json"},
            {**sign(plain), "stripe-signature": "t=1,v1=é".encode("latin-1").decode("latin-1")},
        ]
        answers = [
            await http.post(PATH, content=plain, headers=httpx.Headers(headers, encoding="latin-1"))
            for headers in unsigned
        ]
        assert [answer.status_code for answer in answers] == [400] * len(unsigned)
        assert {answer.json()["code"] for answer in answers} == {"malformed"}
        assert len(billing.events) == stored
        billing.refusal = FakeRefusal("malformed")  # of another mode or version
        assert await send(plain) == 400


@pytest.mark.parametrize("code", ["dependency_unavailable", "overloaded"])
async def test_a_billing_that_could_not_commit_makes_stripe_send_again(
    gateway: RunningGateway, billing: FakeBilling, code: str
) -> None:
    billing.refusal = FakeRefusal(code)
    billing.refusal.retryable = True  # pyright: ignore[reportAttributeAccessIssue]
    body = json.dumps(event()).encode()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=GENEROUS_TIMEOUT) as http:
        answer = await http.post(PATH, content=body, headers=sign(body))
    assert answer.status_code == 503
