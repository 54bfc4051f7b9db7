"""Meter events of v2: validated at once, or streamed and validated afterwards."""

from typing import Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.meter_events import (
    cancel_event,
    record_event,
    report_unknown_customer,
)
from msaas.stripe.application.meters import find_meter
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.thin_events import MeterError, report_errors
from msaas.stripe.application.timestamps import read_rfc3339, rfc3339
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, new_identifier, public

routes = Routes()

_SESSION_SECONDS: Final = 15 * 60
_MAX_EVENTS: Final = 100


@routes.add("POST", "/v2/billing/meter_events", "event_name payload identifier timestamp")
def create_meter_event(api: Api, params: Params) -> Resource:
    event = record_event(api, _v1(params))
    report_unknown_customer(api, event)
    served = public(event)
    del served["id"]
    return served | {
        "object": "v2.billing.meter_event",
        "created": rfc3339(event["created"]),
        "timestamp": rfc3339(event["timestamp"]),
    }


@routes.add("POST", "/v2/billing/meter_event_adjustments", "event_name type cancel")
def create_adjustment(api: Api, params: Params) -> Resource:
    cancel_event(api, params["event_name"], params["cancel"]["identifier"])
    return {
        "id": new_identifier("mtr_event_adj_"),
        "object": "v2.billing.meter_event_adjustment",
        "cancel": params["cancel"],
        "created": rfc3339(api.now()),
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


@routes.add("POST", "/v2/billing/meter_event_session")
def create_session(api: Api, _params: Params) -> Resource:
    now = api.timeline.wall()
    token = new_identifier("token_", 40)
    api.store.add(
        {
            "id": token,
            "object": "meter_event_token",
            "until": now + _SESSION_SECONDS,
        }
    )
    return {
        "id": new_identifier("mes_"),
        "object": "v2.billing.meter_event_session",
        "authentication_token": token,
        "created": rfc3339(now),
        "expires_at": rfc3339(now + _SESSION_SECONDS),
        "livemode": False,
    }


@routes.add("POST", "/v2/billing/meter_event_stream", "events")
def create_stream(api: Api, params: Params) -> Resource:
    """Accept up to 100 events; what is wrong with one is only reported by a thin event."""
    if len(params["events"]) > _MAX_EVENTS:
        raise ApiError(f"At most {_MAX_EVENTS} events are allowed.", param="events")
    errors: list[MeterError] = []
    for given in params["events"]:
        try:
            report_unknown_customer(api, record_event(api, _v1(given)))
        except ApiError as error:
            errors.append(_describe(api, given, error))
    report_errors(api, errors)
    return {}


def _v1(params: Params) -> Params:
    if "timestamp" not in params:
        return params
    return params | {"timestamp": read_rfc3339(params["timestamp"], "timestamp")}


def _describe(api: Api, given: Params, error: ApiError) -> MeterError:
    meter = find_meter(api, given["event_name"])
    code = "no_meter" if meter is None else error.code or "meter_event_invalid_value"
    return MeterError(
        code, error.message, given.get("identifier", ""), meter["id"] if meter else None
    )
