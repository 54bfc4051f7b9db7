"""Meters, and the summaries of their events."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.calendar import DAY, HOUR
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, public

routes = Routes()

_MINUTE: Final = 60
_WINDOWS: Final = {"hour": HOUR, "day": DAY, None: _MINUTE}


@routes.add(
    "POST",
    "/v1/billing/meters",
    "display_name event_name default_aggregation customer_mapping value_settings event_time_window",
)
def create_meter(api: Api, params: Params) -> Resource:
    if find_meter(api, params["event_name"]):
        raise ApiError(
            "A meter with this event_name exists already.",
            code="resource_already_exists",
            param="event_name",
        )
    now = api.now()
    fields: dict[str, Any] = {
        "created": now,
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "event_time_window": None,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": {"event_payload_key": "value"},
    }
    given = {name: value for name, value in params.items() if name != "expand"}
    meter = api.new("billing.meter", "mtr_", fields | given)
    api.emit("billing.meter.created", meter)
    return public(meter)


@routes.add("GET", "/v1/billing/meters/{id}")
def retrieve_meter(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("billing.meter", identifier))


@routes.add("POST", "/v1/billing/meters/{id}", "display_name")
def update_meter(api: Api, params: Params, identifier: str) -> Resource:
    return _change(api, identifier, "updated", display_name=params.get("display_name"))


@routes.add("POST", "/v1/billing/meters/{id}/deactivate")
def deactivate_meter(api: Api, _params: Params, identifier: str) -> Resource:
    return _change(
        api,
        identifier,
        "deactivated",
        status="inactive",
        status_transitions={"deactivated_at": api.now()},
    )


@routes.add("POST", "/v1/billing/meters/{id}/reactivate")
def reactivate_meter(api: Api, _params: Params, identifier: str) -> Resource:
    return _change(
        api,
        identifier,
        "reactivated",
        status="active",
        status_transitions={"deactivated_at": None},
    )


@routes.add("GET", "/v1/billing/meters", PAGING + "status")
def list_meters(api: Api, params: Params) -> Resource:
    meters = newest_first(api.store.list_kind("billing.meter"))
    found = [meter for meter in meters if params.get("status") in {None, meter["status"]}]
    return page("/v1/billing/meters", found, params)


@routes.add(
    "GET",
    "/v1/billing/meters/{id}/event_summaries",
    PAGING + "customer start_time end_time value_grouping_window",
)
def list_event_summaries(api: Api, params: Params, identifier: str) -> Resource:
    """Sum the events that the asynchronous processing has reached."""
    meter = api.store.get("billing.meter", identifier)
    api.store.get("customer", params["customer"], "customer")
    start, end = params["start_time"], params["end_time"]
    window = _WINDOWS[params.get("value_grouping_window")]
    for name in ("start_time", "end_time"):
        if params[name] % window:
            raise ApiError(f"The {name} must be on a boundary of {window} s.", param=name)
    if start >= end:
        raise ApiError("The end_time must be after the start_time.", param="end_time")
    step = window if "value_grouping_window" in params else end - start
    summaries = [
        summary
        for at in range(start, end, step)
        if (summary := _summarize(api, meter, params["customer"], at, at + step))
    ]
    return page(f"/v1/billing/meters/{identifier}/event_summaries", summaries[::-1], params)


def find_meter(api: Api, event_name: str) -> Resource | None:
    return next(api.store.list_by("billing.meter", "event_name", event_name), None)


def usage_key(meter_id: str, customer_id: str) -> str:
    return f"{meter_id}|{customer_id}"


def aggregate(
    api: Api, meter_id: str, customer_id: str, start: int, end: int, *, visible_only: bool = False
) -> Decimal:
    """Aggregate the events of a period, whose end is exclusive."""
    events = list(_events(api, meter_id, customer_id, start, end, visible_only=visible_only))
    values = [Decimal(event["_value"]) for event in events]
    formula = api.store.get("billing.meter", meter_id)["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(values))
    if formula == "last":
        return values[-1] if values else Decimal(0)
    return sum(values, Decimal(0))


def _events(
    api: Api, meter_id: str, customer_id: str, start: int, end: int, *, visible_only: bool
) -> Iterator[Resource]:
    horizon = api.timeline.wall() - api.controls.aggregation_delay if visible_only else None
    events = api.store.list_by(
        "billing.meter_event", "_usage_key", usage_key(meter_id, customer_id)
    )
    for event in events:
        reached = horizon is None or event["_received"] <= horizon
        if reached and not event["_cancelled"] and start <= event["timestamp"] < end:
            yield event


def _summarize(
    api: Api, meter: Resource, customer_id: str, start: int, end: int
) -> Resource | None:
    if not any(_events(api, meter["id"], customer_id, start, end, visible_only=True)):
        return None
    value = aggregate(api, meter["id"], customer_id, start, end, visible_only=True)
    return {
        "id": f"mtrusg_{meter['id'][4:]}_{start}_{end}",
        "object": "billing.meter_event_summary",
        "aggregated_value": float(value),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }


def _change(api: Api, identifier: str, event: str, **fields: Any) -> Resource:
    before = public(api.store.get("billing.meter", identifier))
    meter = api.store.edit(identifier)
    meter.update(fields, updated=api.now())
    api.emit(f"billing.meter.{event}", meter, before if event == "updated" else None)
    return public(meter)
