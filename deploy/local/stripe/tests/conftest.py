"""One server for all tests of a process; each test has customers of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import stripe
from stripe_support import (
    LOOPBACK,
    Catalogue,
    RunningStripe,
    WebhookReceiver,
    create_catalogue,
    running_stripe,
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStripe]:
    with running_stripe(tmp_path_factory.mktemp("stripe")) as running:
        yield running
        # A test that sends something wrong on purpose clears what it caused.
        assert running.violations == []


@pytest.fixture(scope="session")
def client(server: RunningStripe) -> stripe.StripeClient:
    return server.client()


@pytest.fixture(scope="session")
def catalogue(client: stripe.StripeClient) -> Catalogue:
    return create_catalogue(client, f"jobs-{uuid4().hex}")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    listener = await asyncio.start_server(receiver.handle, LOOPBACK, 0)
    port = listener.sockets[0].getsockname()[1]
    receiver.url = f"http://{LOOPBACK}:{port}/webhooks"
    async with listener:
        yield receiver
