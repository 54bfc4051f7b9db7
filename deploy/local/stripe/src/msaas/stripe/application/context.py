"""What every operation works with: objects, time, events and the operator's controls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from msaas.stripe.application.ports import Specification
from msaas.stripe.application.store import Store
from msaas.stripe.application.timeline import Timeline, domain_of
from msaas.stripe.domain.resources import Resource, difference, new_identifier, public


@dataclass
class DeliveryFaults:
    """What goes wrong with webhooks on purpose."""

    drop_rate: float = 0.0
    duplicate_rate: float = 0.0
    delay: float = 0.0
    shuffle_seconds: float = 0.0  # each delivery waits a random part of this
    hold: bool = False  # until the operator releases them
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - faults, no secret

    def plan(self) -> list[float]:
        """Return the delay of each copy of a delivery; none for a dropped one."""
        if self.random.random() < self.drop_rate:
            return []
        copies = 2 if self.random.random() < self.duplicate_rate else 1
        return [self.delay + self.random.random() * self.shuffle_seconds for _ in range(copies)]


@dataclass
class Controls:
    """What the operator of the stand-in may change while it runs."""

    aggregation_delay: float = 0.0  # seconds until a meter event shows in summaries
    dunning_days: tuple[int, ...] = (3, 5, 7)
    webhook_secret: str = ""  # the secret of new endpoints, where it is known beforehand
    after_dunning: str = "unpaid"  # or canceled, past_due
    deliveries: DeliveryFaults = field(default_factory=DeliveryFaults)


@dataclass(frozen=True)
class Cause:
    """The request that an event comes from; none for what happens by itself."""

    request_id: str | None = None
    idempotency_key: str | None = None


class PaymentListener(Protocol):
    """Applies the outcome of an invoice to its subscription."""

    def __call__(self, api: "Api", invoice: Resource, *, paid: bool) -> None: ...


def _ignore_payment(api: "Api", invoice: Resource, *, paid: bool) -> None: ...


@dataclass
class Api:
    store: Store
    timeline: Timeline
    specification: Specification
    public_url: str
    controls: Controls = field(default_factory=Controls)
    cause: Cause = field(default_factory=Cause)
    on_payment: PaymentListener = _ignore_payment

    def new(self, kind: str, prefix: str, fields: Mapping[str, Any]) -> Resource:
        """Add an object that has every field of its kind: those not given are null."""
        base: Resource = {**self.specification.nullable_fields(kind), "object": kind}
        base |= {"id": new_identifier(prefix), "livemode": False, **fields}
        return self.store.add(base)

    def now(self, document: Resource | None = None) -> int:
        return self.timeline.now(domain_of(document) if document else None)

    def emit(self, event_type: str, document: Resource, before: Resource | None = None) -> None:
        """Add an event with the object as it is now, and its deliveries."""
        data: Resource = {"object": public(document)}
        if before is not None:
            data["previous_attributes"] = difference(before, data["object"])
            if not data["previous_attributes"]:
                return
        event = self.new(
            "event",
            "evt_",
            {
                "api_version": self.specification.api_version,
                "created": int(self.timeline.wall()),
                "data": data,
                "pending_webhooks": 0,
                "request": {
                    "id": self.cause.request_id,
                    "idempotency_key": self.cause.idempotency_key,
                },
                "type": event_type,
            },
        )
        for absent in ("account", "context"):
            event.pop(absent, None)
        self._deliver(event)

    def _deliver(self, event: Resource) -> None:
        for endpoint in self.store.list_kind("webhook_endpoint"):
            if endpoint["status"] == "enabled" and _is_subscribed(endpoint, event["type"]):
                event["pending_webhooks"] += 1
                self.deliver_to(endpoint, event)

    def deliver_to(self, endpoint: Resource, event: Resource) -> None:
        """Add the deliveries of an event to one endpoint, with the planned faults."""
        delays = self.controls.deliveries.plan()
        for delay in delays or [0.0]:
            self._add_delivery(event, endpoint, delay, is_dropped=not delays)

    def _add_delivery(
        self, event: Resource, endpoint: Resource, delay: float, *, is_dropped: bool
    ) -> None:
        held = "held" if self.controls.deliveries.hold else "pending"
        self.store.add(
            {
                "id": new_identifier("dlv_"),
                "object": "delivery",
                "event": event["id"],
                "endpoint": endpoint["id"],
                "attempts": 0,
                "status": "dropped" if is_dropped else held,
                "next_at": self.timeline.wall() + delay,
                "last_status": None,
            }
        )


def _is_subscribed(endpoint: Resource, event_type: str) -> bool:
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]
