"""Meter events of v1 and v2, and their cancellation."""

from decimal import Decimal, InvalidOperation
from typing import Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.meters import find_meter, usage_key
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.thin_events import MeterError, report_errors
from msaas.stripe.domain.calendar import DAY
from msaas.stripe.domain.errors import ApiError, missing
from msaas.stripe.domain.resources import Resource, new_identifier, public

routes = Routes()

_MAX_AGE: Final = 35 * DAY
_MAX_AHEAD: Final = 5 * 60
_UNIQUE_FOR: Final = DAY
_CANCELLABLE_FOR: Final = DAY
_MAX_DIGITS: Final = 15


@routes.add("POST", "/v1/billing/meter_events", "event_name payload identifier timestamp")
def create_meter_event(api: Api, params: Params) -> Resource:
    event = record_event(api, params)
    report_unknown_customer(api, event)
    return _served(event)


@routes.add("POST", "/v1/billing/meter_event_adjustments", "event_name type cancel")
def create_adjustment(api: Api, params: Params) -> Resource:
    identifier = params.get("cancel", {}).get("identifier")
    cancel_event(api, params["event_name"], identifier or "")
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


def record_event(api: Api, params: Params) -> Resource:
    """Store a valid event; whether its customer exists is only known later."""
    meter = find_meter(api, params["event_name"])
    if meter is None:
        raise missing("meter", params["event_name"], "event_name")
    if meter["status"] != "active":
        raise ApiError("The meter is archived.", code="archived_meter", param="event_name")
    customer_id = _payload(params, meter["customer_mapping"]["event_payload_key"])
    value = _value(meter, params)
    timestamp = params.get("timestamp", _now_of(api, customer_id))
    _check_time(api, customer_id, timestamp)
    identifier = params.get("identifier") or new_identifier("", 32)
    _check_unique(api, identifier)
    event: Resource = {
        "id": new_identifier("mev_"),
        "object": "billing.meter_event",
        "created": api.now(),
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": timestamp,
        "_usage_key": usage_key(meter["id"], customer_id),
        "_value": str(value),
        "_received": api.timeline.wall(),
        "_cancelled": False,
        "_meter": meter["id"],
        "_customer": customer_id,
    }
    return api.store.add(event)


def cancel_event(api: Api, event_name: str, identifier: str) -> None:
    events = list(api.store.list_by("billing.meter_event", "identifier", identifier))
    event = events[-1] if events and events[-1]["event_name"] == event_name else None
    if event is None:
        raise missing("meter event", identifier, "cancel[identifier]")
    if api.now() - event["created"] > _CANCELLABLE_FOR:
        raise ApiError(
            "A meter event can be cancelled within 24 hours of its receipt.",
            param="cancel[identifier]",
        )
    if event["_cancelled"]:
        raise ApiError("The meter event is cancelled already.", param="cancel[identifier]")
    api.store.edit(event["id"])["_cancelled"] = True


def report_unknown_customer(api: Api, event: Resource) -> None:
    """Report what the asynchronous processing finds: that the customer does not exist."""
    customer = api.store.find("customer", event["_customer"])
    if customer is None or customer.get("_deleted"):
        message = "The customer of the event does not exist."
        report_errors(
            api,
            [
                MeterError(
                    "meter_event_customer_not_found",
                    message,
                    event["identifier"],
                    event["_meter"],
                )
            ],
        )


def _served(event: Resource) -> Resource:
    return {name: value for name, value in public(event).items() if name != "id"}


def _payload(params: Params, key: str) -> str:
    if not params["payload"].get(key):
        raise ApiError(
            f"The payload lacks {key}.",
            code="meter_event_no_customer_defined",
            param=f"payload[{key}]",
        )
    return params["payload"][key]


def _value(meter: Resource, params: Params) -> Decimal:
    key = meter["value_settings"]["event_payload_key"]
    text = params["payload"].get(key)
    if text is None and meter["default_aggregation"]["formula"] == "count":
        return Decimal(1)
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ApiError(
            f"The value of {key} is not a number.",
            code="meter_event_invalid_value",
            param=f"payload[{key}]",
        )
    if len(value.as_tuple().digits) > _MAX_DIGITS:
        raise ApiError(
            f"The value of {key} has too many digits.",
            code="meter_event_value_too_many_digits",
            param=f"payload[{key}]",
        )
    return value


def _now_of(api: Api, customer_id: str) -> int:
    """Return the time of the customer, which may follow a test clock."""
    return api.now(api.store.find("customer", customer_id))


def _check_time(api: Api, customer_id: str, timestamp: int) -> None:
    now = _now_of(api, customer_id)
    if timestamp < now - _MAX_AGE:
        raise ApiError(
            "The timestamp is more than 35 days in the past.",
            code="timestamp_too_far_in_past",
            param="timestamp",
        )
    if timestamp > now + _MAX_AHEAD:
        raise ApiError(
            "The timestamp is more than 5 minutes in the future.",
            code="timestamp_in_future",
            param="timestamp",
        )


def _check_unique(api: Api, identifier: str) -> None:
    for event in api.store.list_by("billing.meter_event", "identifier", identifier):
        if api.now() - event["created"] < _UNIQUE_FOR:
            raise ApiError(
                f"An event already exists with identifier {identifier}.",
                code="resource_already_exists",
                param="identifier",
            )
