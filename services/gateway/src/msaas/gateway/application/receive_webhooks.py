"""Takes an event of Stripe in: verified here, answered once billing has committed it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import ValidationError

from msaas.contracts import StripeEventReceived
from msaas.gateway.application.errors import WebhookRefused
from msaas.gateway.application.ports import CommandSender
from msaas.gateway.domain.stripe_signatures import is_signed
from msaas.kernel import Clock
from msaas.telemetry import Metrics

MAX_STORED_PAYLOAD: Final = 128 * 1024
"""A larger event is stored without its object, which is fetched anyway."""

CountRefusal = Callable[[str], Awaitable[None]]
"""Counts an unverified request of an address, and raises where there are too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`parsed` is the body as JSON, which the signature says nothing about."""

    body: bytes
    parsed: object
    signature: str | None
    address: str


class ReceiveWebhooks:
    def __init__(
        self,
        commands: CommandSender,
        secrets: Sequence[str],
        count_refusal: CountRefusal,
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._secrets = secrets
        self._count_refusal = count_refusal
        self._clock = clock
        self._webhooks_total = metrics.counter(
            "msaas_stripe_webhooks_total", "Webhooks of Stripe.", ("outcome",)
        )

    async def __call__(self, webhook: Webhook, correlation_id: str) -> None:
        """Return once the event is committed; any failure makes Stripe send it again."""
        now = self._clock.now().timestamp()
        if not is_signed(webhook.body, webhook.signature, self._secrets, now):
            self._webhooks_total.labels("unsigned").inc()
            await self._count_refusal(webhook.address)
            raise WebhookRefused
        stores_payload = len(webhook.body) <= MAX_STORED_PAYLOAD
        event = read_event(webhook.parsed, stores_payload=stores_payload)
        if event is None:
            self._webhooks_total.labels("malformed").inc()
            raise WebhookRefused("The body is not an event of Stripe.")
        await self._commands.send(event, correlation_id)
        self._webhooks_total.labels("stored").inc()


def read_event(parsed: object, *, stores_payload: bool) -> StripeEventReceived | None:
    """Read the envelope, with the object inside or, in a thin event, only referred to."""
    if not isinstance(parsed, Mapping):
        return None
    event = cast("Mapping[str, Any]", parsed)
    is_thin = event.get("object") == "v2.core.event"
    inside = _read_map(event.get("data")).get("object")
    about = _read_map(event.get("related_object") if is_thin else inside)
    is_customer = about.get("object") == "customer"
    try:
        return StripeEventReceived(
            event_id=event["id"],
            event_type=event["type"],
            created=_read_time(event["created"]),
            livemode=event["livemode"],
            api_version=event.get("api_version"),
            is_thin=is_thin,
            object_id=_read_id(about),
            customer_id=_read_id(about if is_customer else about.get("customer")),
            payload=dict(event) if stores_payload else None,
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError, ValidationError):
        return None


def _read_time(value: object) -> datetime:
    """Read a Unix time, or the text of a thin event."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("created is no time")
    return datetime.fromtimestamp(value, UTC)


def _read_map(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _read_id(value: object) -> str | None:
    """Read an id, or the id of an expanded object."""
    found = _read_map(value).get("id", value)
    return found if isinstance(found, str) and found else None
