"""Delivers webhooks: signed, retried with Stripe's pauses, a few at a time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx
import orjson

from msaas.stripe.application.context import Cause
from msaas.stripe.application.server import Server
from msaas.stripe.application.webhooks import active_secrets, find_endpoint, finish_attempt
from msaas.stripe.domain.resources import Resource, public
from msaas.stripe.domain.signatures import signature_header
from msaas.telemetry import get_logger

_CONCURRENCY: Final = 16
# How often what is due by time alone is looked for: retries, renewals at the server's time.
_TICK: Final = 0.25
_SUCCESS: Final = range(200, 300)


class WebhookSender:
    """Has at most one attempt of a delivery in flight; a crash repeats it, as Stripe may."""

    def __init__(self, server: Server, client: httpx.AsyncClient, *, scale: float) -> None:
        self._server = server
        self._client = client
        self._scale = scale
        self._wake = asyncio.Event()
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._log = get_logger()

    def wake(self) -> None:
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            attempts = [*self._in_flight.values()]
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(task, *attempts, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                self._server.run_due()
                self._start_attempts()
            except Exception:  # noqa: BLE001 - one bad object must not end the deliveries of all others
                self._log.exception("stripe_tick_failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _TICK)
            self._wake.clear()

    def _start_attempts(self) -> None:
        now = self._server.api.timeline.wall()
        pending = self._server.api.store.list_by("delivery", "status", "pending")
        waiting = [delivery for delivery in pending if delivery["id"] not in self._in_flight]
        due = [delivery for delivery in waiting if delivery["next_at"] <= now]
        due.sort(key=lambda delivery: delivery["next_at"])
        for delivery in due[: _CONCURRENCY - len(self._in_flight)]:
            self._in_flight[delivery["id"]] = asyncio.create_task(self._attempt(delivery))

    async def _attempt(self, delivery: Resource) -> None:
        try:
            status = await self._send(delivery)
            self._finish(delivery["id"], status)
        finally:
            del self._in_flight[delivery["id"]]
            self._wake.set()

    def _finish(self, identifier: str, status: int | None) -> None:
        api = self._server.api
        delivery = api.store.find("delivery", identifier)
        if delivery is None:
            return
        with self._server.unit_of_work(Cause()):
            finish_attempt(api, delivery, status, self._scale)
        if status not in _SUCCESS:
            self._log.info("webhook_refused", status=status, attempts=delivery["attempts"])

    async def _send(self, delivery: Resource) -> int | None:
        """Return the status of the answer; none without an answer, 410 without an endpoint."""
        store, now = self._server.api.store, self._server.api.timeline.wall()
        endpoint = find_endpoint(self._server.api, delivery["endpoint"])
        event = store.find_any(delivery["event"])
        if endpoint is None or event is None or endpoint["status"] != "enabled":
            return 410
        body = render_event(event, endpoint)
        signature = signature_header(body, active_secrets(endpoint, now), int(now))
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature,
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = await self._client.post(endpoint["url"], content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return answer.status_code


def render_event(event: Resource, endpoint: Resource) -> bytes:
    """Render an event as it is sent: with the endpoint's own API version."""
    served = public(event)
    if served["object"] == "event":
        served["api_version"] = endpoint["api_version"] or served["api_version"]
    return orjson.dumps(served, option=orjson.OPT_INDENT_2)
