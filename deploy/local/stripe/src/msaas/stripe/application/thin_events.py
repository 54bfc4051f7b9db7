"""Thin events of v2: what went wrong with meter events, and the destinations that get them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.timestamps import rfc3339
from msaas.stripe.domain.errors import ApiError, missing
from msaas.stripe.domain.resources import Resource, new_identifier, public

routes = Routes()

_SAMPLES: Final = 5


@dataclass(frozen=True)
class MeterError:
    code: str
    message: str
    identifier: str
    meter: str | None


@routes.add(
    "POST",
    "/v2/core/event_destinations",
    "name type description enabled_events event_payload webhook_endpoint include metadata "
    "snapshot_api_version events_from",
)
def create_destination(api: Api, params: Params) -> Resource:
    if params["type"] != "webhook_endpoint" or params["event_payload"] != "thin":
        raise ApiError("The stand-in does not implement destinations other than thin webhooks.")
    secret = api.controls.webhook_secret or new_identifier("whsec_", 32)
    now = rfc3339(api.timeline.wall())
    url = params["webhook_endpoint"]["url"]
    destination: Resource = {
        "id": new_identifier("ed_test_"),
        "object": "v2.core.event_destination",
        "created": now,
        "description": params.get("description", ""),
        "enabled_events": params["enabled_events"],
        "event_payload": "thin",
        "events_from": params.get("events_from", ["self"]),
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "name": params["name"],
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": now,
        "url": url,
        "_secrets": [{"secret": secret, "until": None}],
    }
    api.store.add(destination)
    return _serve(destination, params.get("include", []), secret)


@routes.add("GET", "/v2/core/event_destinations/{id}", "include")
def retrieve_destination(api: Api, params: Params, identifier: str) -> Resource:
    destination = api.store.get("v2.core.event_destination", identifier)
    return _serve(destination, params.get("include", []), None)


@routes.add("GET", "/v2/core/event_destinations", "limit include")
def list_destinations(api: Api, params: Params) -> Resource:
    found = list(api.store.list_kind("v2.core.event_destination"))
    include = params.get("include", [])
    data = [_serve(destination, include, None) for destination in found]
    return {"data": data, "next_page_url": None, "previous_page_url": None}


@routes.add("DELETE", "/v2/core/event_destinations/{id}")
def delete_destination(api: Api, _params: Params, identifier: str) -> Resource:
    api.store.get("v2.core.event_destination", identifier)
    api.store.remove(identifier)
    return {"id": identifier, "object": "v2.core.event_destination"}


@routes.add("GET", "/v2/core/events/{id}")
def retrieve_event(api: Api, _params: Params, identifier: str) -> Resource:
    event = api.store.find("v2.core.event", identifier)
    if event is None:
        raise missing("event", identifier)
    return public(event) | {"data": event["_data"]}


def report_errors(api: Api, errors: Sequence[MeterError]) -> None:
    """Emit one event per meter, and one for events that name no meter."""
    for meter in dict.fromkeys(error.meter for error in errors):
        of_meter = [error for error in errors if error.meter == meter]
        _emit(api, meter, of_meter)


def _emit(api: Api, meter: str | None, errors: list[MeterError]) -> None:
    now = api.timeline.wall()
    name = "error_report_triggered" if meter else "no_meter_found"
    event: Resource = {
        "id": new_identifier("evt_test_"),
        "object": "v2.core.event",
        "created": rfc3339(now),
        "livemode": False,
        "reason": None,
        "type": f"v1.billing.meter.{name}",
        "_data": {
            "developer_message_summary": f"There is {len(errors)} invalid event",
            "reason": {
                "error_count": len(errors),
                "error_types": [_summarize(code, errors) for code in _codes(errors)],
            },
            "validation_end": rfc3339(now),
            "validation_start": rfc3339(now - 10),
        },
        "pending_webhooks": 0,
    }
    if meter:
        event["related_object"] = {
            "id": meter,
            "type": "billing.meter",
            "url": f"/v1/billing/meters/{meter}",
        }
    event["_pending"] = event.pop("pending_webhooks")
    api.store.add(event)
    for destination in api.store.list_kind("v2.core.event_destination"):
        if event["type"] in destination["enabled_events"] or "*" in destination["enabled_events"]:
            api.deliver_to(destination, event)


def _codes(errors: list[MeterError]) -> list[str]:
    return list(Counter(error.code for error in errors))


def _summarize(code: str, errors: list[MeterError]) -> dict[str, Any]:
    of_code = [error for error in errors if error.code == code]
    return {
        "code": code,
        "error_count": len(of_code),
        "sample_errors": [
            {"error_message": error.message, "request": {"identifier": error.identifier}}
            for error in of_code[:_SAMPLES]
        ],
    }


def _serve(destination: Resource, include: list[str], secret: str | None) -> Resource:
    served = public(destination)
    url = served.pop("url")
    endpoint: Resource = {"signing_secret": None, "url": None}
    if "webhook_endpoint.url" in include:
        endpoint["url"] = url
    if "webhook_endpoint.signing_secret" in include:
        endpoint["signing_secret"] = secret
    return served | {"webhook_endpoint": endpoint}
