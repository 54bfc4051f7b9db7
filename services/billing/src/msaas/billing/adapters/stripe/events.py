"""Reads the events of Stripe, with their object inside or without it."""

from collections import Counter
from typing import Any, Final

import orjson

from msaas.billing.adapters.stripe.objects import JsonMap, read_id, read_list, read_map, read_time
from msaas.billing.application.ports import MeterErrorReport, StripeEvent
from msaas.billing.domain.stripe_events import EventSource
from msaas.kernel import new_id

MAX_STORED_PAYLOAD: Final = 128 * 1024
_CUSTOMER: Final = "customer"


def read_event(event: JsonMap, source: EventSource) -> StripeEvent | None:
    """Return None for what lacks an id, a type or a time."""
    id_, created = read_id(event), read_time(event.get("created"))
    type_ = event.get("type")
    if id_ is None or created is None or not isinstance(type_, str):
        return None
    about = read_map(read_map(event.get("data")).get("object"))
    return StripeEvent(
        id=id_,
        type=type_,
        created=created,
        livemode=event.get("livemode") is True,
        api_version=version if isinstance(version := event.get("api_version"), str) else None,
        object_id=read_id(about),
        customer_id=find_customer_id(about),
        payload=_read_payload(event),
        source=source,
        correlation_id=str(new_id()),
    )


def _read_payload(event: JsonMap) -> JsonMap | None:
    """Return plain JSON, since the client has decimals in it; nothing of a large event."""
    try:
        plain = orjson.dumps(dict(event), default=str)
    except orjson.JSONEncodeError:  # a number or a text that the inbox could not hold
        return None
    return orjson.loads(plain) if len(plain) <= MAX_STORED_PAYLOAD else None


def find_customer_id(about: JsonMap) -> str | None:
    """Find the customer that an object is about: itself, or the one that it names."""
    if about.get("object") == _CUSTOMER:
        return read_id(about)
    return read_id(about.get("customer"))


def read_meter_errors(event: JsonMap) -> MeterErrorReport:
    reason = read_map(read_map(event.get("data")).get("reason"))
    codes: Counter[str] = Counter()
    identifiers: dict[str, str] = {}
    for each in read_list(reason.get("error_types")):
        code, count = str(each.get("code")), each.get("error_count")
        codes[code] += count if isinstance(count, int) else 1
        for sample in read_list(each.get("sample_errors")):
            identifier: Any = read_map(sample.get("request")).get("identifier")
            if isinstance(identifier, str):
                identifiers[identifier] = code
    return MeterErrorReport(codes=codes, identifiers=identifiers)
