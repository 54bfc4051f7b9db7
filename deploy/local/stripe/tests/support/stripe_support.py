"""The stand-in as a process, a catalogue in it, and a receiver of its webhooks."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import stripe

from msaas.embedded import find_free_port

LOOPBACK = "127.0.0.1"
API_KEY = "sk_test_local"
START_SECONDS = 90.0


@dataclass
class RunningStripe:
    """One server with its data in a folder; it can be killed and started again."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])
    port: int = field(default_factory=find_free_port)
    internal_port: int = field(default_factory=find_free_port)
    process: subprocess.Popen[bytes] | None = None
    connections: stripe.RequestsClient = field(default_factory=stripe.RequestsClient)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        environment = {
            **os.environ,
            "ENVIRONMENT": "test",
            "LOCAL_STRIPE_DATA": str(self.folder / "stripe.db"),
            "LOCAL_STRIPE_PORT": str(self.port),
            "LOCAL_STRIPE_INTERNAL_PORT": str(self.internal_port),
            "LOCAL_STRIPE_PUBLIC_URL": self.url,
            "LOCAL_STRIPE_REQUESTS_PER_SECOND": "0",
            "LOCAL_STRIPE_RETRY_SCALE": "0.0001",
            **self.settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "msaas.stripe", "serve"],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, "the server ended before it was ready"
            try:
                httpx.get(f"{self.url}/_control/state", trust_env=False, timeout=20)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server was not ready in time")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def client(
        self, *, retries: int = 0, key: str = API_KEY, http_client: stripe.HTTPClient | None = None
    ) -> stripe.StripeClient:
        """Return Stripe's own client, which only has another address."""
        return stripe.StripeClient(
            key,
            base_addresses={"api": self.url, "meter_events": self.url},
            max_network_retries=retries,
            http_client=http_client or self.connections,
        )

    @asynccontextmanager
    async def async_client(self) -> AsyncGenerator[Callable[[str], stripe.StripeClient]]:
        """Yield a function that makes asynchronous clients with a given key."""
        http_client = stripe.HTTPXClient(timeout=60)
        try:
            yield lambda key: self.client(key=key, http_client=http_client)
        finally:
            await http_client.close_async()

    def control(self, name: str, /, **given: object) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/_control/{name}", json=given, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read_control(self, name: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}/_control/{name}", trust_env=False, timeout=60).json()

    def clear(self, name: str) -> None:
        httpx.delete(f"{self.url}/_control/{name}", trust_env=False, timeout=60)

    @property
    def violations(self) -> list[dict[str, Any]]:
        """Return what clients sent that the pinned version does not know."""
        return self.read_control("state")["violations"]


@contextmanager
def running_stripe(folder: Path, **settings: str) -> Generator[RunningStripe]:
    server = RunningStripe(folder, settings)
    server.start()
    try:
        yield server
    finally:
        server.connections.close()
        if server.process is not None and server.process.poll() is None:
            assert server.stop() == 0


@dataclass(frozen=True)
class Catalogue:
    """A plan with a flat and a metered price, and a larger one."""

    meter: str
    event_name: str
    product: str
    flat: str
    metered: str
    larger: str


def create_catalogue(client: stripe.StripeClient, event_name: str) -> Catalogue:
    meter = client.v1.billing.meters.create(
        {
            "display_name": "Jobs",
            "event_name": event_name,
            "default_aggregation": {"formula": "sum"},
        }
    )
    product = client.v1.products.create({"name": "Pro"})
    monthly: Any = {"interval": "month"}

    def flat(amount: int) -> str:
        return client.v1.prices.create(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": monthly,
            }
        ).id

    metered_recurring: Any = {**monthly, "usage_type": "metered", "meter": meter.id}
    metered = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount_decimal": Decimal("0.5"),
            "recurring": metered_recurring,
        }
    )
    return Catalogue(meter.id, event_name, product.id, flat(2_900), metered.id, flat(9_900))


@dataclass
class WebhookReceiver:
    """An HTTP server that stores what it receives; `statuses` are its next answers."""

    statuses: list[int] = field(default_factory=list[int])
    received: list[tuple[dict[str, str], bytes]] = field(
        default_factory=list[tuple[dict[str, str], bytes]]
    )
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")[1:]
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()
