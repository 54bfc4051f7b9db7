"""What the operator of the stand-in can make happen."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from msaas.stripe.application.checkout_sessions import complete, settle
from msaas.stripe.application.clocks import advance_clock, create_clock
from msaas.stripe.application.context import Api
from msaas.stripe.application.meter_events import record_event
from msaas.stripe.application.webhooks import roll_secret
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, public

Action = Callable[..., dict[str, Any]]


def advance(api: Api, *, seconds: int) -> dict[str, Any]:
    """Advance the server's time, which everything without a test clock follows."""
    if seconds < 0:
        raise ApiError("Time only goes forward.", param="seconds")
    api.timeline.offset += seconds
    state = api.store.find("server_state", "server_state")
    if state is None:
        state = api.store.add({"id": "server_state", "object": "server_state"})
    api.store.edit("server_state")["offset"] = api.timeline.offset
    return {"now": api.timeline.now()}


def advance_customer(api: Api, *, customer: str, seconds: int) -> dict[str, Any]:
    """Advance one customer, who follows a test clock of their own from then on."""
    found = api.store.get("customer", customer, "customer")
    clock = found["test_clock"] or _give_clock(api, found)
    now = api.timeline.now(clock) + seconds
    advance_clock(api, {"frozen_time": now}, clock)
    return {"test_clock": clock, "now": now}


def _give_clock(api: Api, customer: Resource) -> str:
    clock: str = create_clock(api, {"frozen_time": api.timeline.now()})["id"]
    kinds = ("subscription", "invoice", "subscription_schedule")
    owned = [
        document["id"]
        for kind in kinds
        for document in api.store.list_by(kind, "customer", customer["id"])
    ]
    for identifier in (customer["id"], *owned):
        api.store.edit(identifier)["test_clock"] = clock
    return clock


def set_webhooks(
    api: Api,
    *,
    drop_rate: float = 0.0,
    duplicate_rate: float = 0.0,
    delay: float = 0.0,
    shuffle_seconds: float = 0.0,
    hold: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Set what goes wrong with the deliveries from now on."""
    faults = api.controls.deliveries
    faults.drop_rate, faults.duplicate_rate = drop_rate, duplicate_rate
    faults.delay, faults.shuffle_seconds, faults.hold = delay, shuffle_seconds, hold
    faults.random = Random(seed)  # noqa: S311 - faults, no secret
    return {}


def release_webhooks(api: Api, *, order: str = "kept", seed: int = 0) -> dict[str, Any]:
    """Send the held deliveries: in their order, reversed, or shuffled."""
    held = list(api.store.list_by("delivery", "status", "held"))
    if order == "reversed":
        held.reverse()
    elif order == "shuffled":
        Random(seed).shuffle(held)  # noqa: S311 - faults, no secret
    now = api.timeline.wall()
    for position, delivery in enumerate(held):
        api.store.edit(delivery["id"]).update(status="pending", next_at=now + position / 1e6)
    return {"released": len(held)}


def resend_event(api: Api, *, event: str) -> dict[str, Any]:
    """Deliver an event once more to each endpoint that it was delivered to."""
    found = list(api.store.list_by("delivery", "event", event))
    endpoints = {delivery["endpoint"]: delivery for delivery in found}
    for delivery in endpoints.values():
        copy = {**delivery, "id": f"{delivery['id']}_{len(found)}", "status": "pending"}
        api.store.add({**copy, "attempts": 0, "next_at": api.timeline.wall()})
    return {"deliveries": len(endpoints)}


def roll_webhook_secret(api: Api, *, endpoint: str, overlap: float = 86_400) -> dict[str, Any]:
    return {"secret": roll_secret(api, endpoint, overlap)}


def set_controls(
    api: Api,
    *,
    aggregation_delay: float | None = None,
    dunning_days: list[int] | None = None,
    after_dunning: str | None = None,
) -> dict[str, Any]:
    controls = api.controls
    if aggregation_delay is not None:
        controls.aggregation_delay = aggregation_delay
    if dunning_days is not None:
        controls.dunning_days = tuple(dunning_days)
    if after_dunning is not None:
        if after_dunning not in {"unpaid", "canceled", "past_due"}:
            raise ApiError("The outcome is unpaid, canceled or past_due.", param="after_dunning")
        controls.after_dunning = after_dunning
    return {}


def fail_payments(api: Api, *, customer: str, code: str | None = "card_declined") -> dict[str, Any]:
    """Decline all further charges of a customer; without a code they succeed again."""
    api.store.get("customer", customer, "customer")
    api.store.edit(customer)["_payments_fail"] = code
    return {}


def complete_checkout(
    api: Api,
    *,
    session: str,
    number: str = "4242424242424242",
    email: str | None = None,
    settles_later: bool = False,
) -> dict[str, Any]:
    found = api.store.get("checkout.session", session)
    done = complete(api, found, number=number, email=email, settles_later=settles_later)
    return public(done)


def settle_checkout(api: Api, *, session: str, succeeds: bool) -> dict[str, Any]:
    found = api.store.get("checkout.session", session)
    settle(api, found, succeeds=succeeds)
    return public(found)


def dispute_charge(
    api: Api, *, charge: str, reason: str = "fraudulent", amount: int | None = None
) -> dict[str, Any]:
    found = api.store.get("charge", charge)
    now = api.now(api.store.find("customer", found["customer"]))
    api.store.edit(charge)["disputed"] = True
    fields: dict[str, Any] = {
        "amount": found["amount"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge,
        "created": now,
        "currency": found["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": found["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
    dispute = api.new("dispute", "du_", fields)
    api.emit("charge.dispute.created", dispute)
    return public(dispute)


def close_dispute(api: Api, *, dispute: str, status: str = "won") -> dict[str, Any]:
    found = api.store.get("dispute", dispute)
    api.store.edit(dispute)["status"] = status
    api.emit("charge.dispute.closed", found)
    return public(found)


def plant_usage(
    api: Api, *, customer: str, event_name: str, value: int, timestamp: int | None = None
) -> dict[str, Any]:
    """Add a meter event that the client never sent."""
    payload = {"stripe_customer_id": customer, "value": str(value)}
    params: Resource = {"event_name": event_name, "payload": payload}
    if timestamp is not None:
        params["timestamp"] = timestamp
    return {"identifier": record_event(api, params)["identifier"]}


def lose_usage(api: Api, *, identifier: str) -> dict[str, Any]:
    """Remove a meter event that was accepted."""
    events = list(api.store.list_by("billing.meter_event", "identifier", identifier))
    for event in events:
        api.store.remove(event["id"])
    return {"removed": len(events)}


def change_object(api: Api, *, identifier: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Set fields of an object without an event: a discrepancy of any kind."""
    document = api.store.find_any(identifier)
    if document is None:
        raise ApiError(f"No such object: {identifier}", status=404)
    api.store.edit(identifier).update(fields)
    return public(document)


def remove_object(api: Api, *, identifier: str) -> dict[str, Any]:
    """Remove an object without an event, as if it had never been."""
    if api.store.find_any(identifier) is None:
        raise ApiError(f"No such object: {identifier}", status=404)
    api.store.remove(identifier)
    return {}


ACTIONS: Final[dict[str, Action]] = {
    action.__name__: action
    for action in (
        *(
            advance,
            advance_customer,
            set_webhooks,
            release_webhooks,
            resend_event,
            roll_webhook_secret,
        ),
        *(set_controls, fail_payments, complete_checkout, settle_checkout),
        *(dispute_charge, close_dispute, plant_usage, lose_usage, change_object, remove_object),
    )
}
