"""Replaces identifiers in an answer with the objects that the client asks to expand."""

from typing import Any, cast

from msaas.stripe.application.checkout_sessions import line_items_of
from msaas.stripe.application.context import Api
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, embedded_list, public

_MAX_DEPTH = 4


def expand(api: Api, answer: Resource, paths: list[str]) -> None:
    for path in paths:
        parts = path.split(".")
        if len(parts) > _MAX_DEPTH + (parts[0] == "data"):
            raise ApiError("You cannot expand more than 4 levels of a property.", param="expand")
        _expand(api, answer, parts, path)


def _expand(api: Api, value: Any, parts: list[str], path: str) -> None:
    if isinstance(value, list):
        for entry in cast("list[Any]", value):
            _expand(api, entry, parts, path)
    elif isinstance(value, dict) and parts:
        _expand_field(api, cast("Resource", value), parts, path)


def _expand_field(api: Api, value: Resource, parts: list[str], path: str) -> None:
    name, *rest = parts
    _include(api, value, name)
    if name not in value:
        raise ApiError(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(value[name], str):
        found = api.store.find_any(value[name])
        if found is None:
            raise ApiError(f"This property cannot be expanded ({path}).", param="expand")
        value[name] = public(found)
    elif isinstance(value[name], list):
        entries: list[Any] = value[name]
        value[name] = [_expand_entry(api, entry) for entry in entries]
    _expand(api, value[name], rest, path)


def _expand_entry(api: Api, entry: Any) -> Any:
    found = api.store.find_any(entry) if isinstance(entry, str) else None
    return public(found) if found else entry


def _include(api: Api, value: Resource, name: str) -> None:
    """Add what an object only has when it is requested."""
    source = api.store.find_any(value["id"]) if isinstance(value.get("id"), str) else None
    if source is None or name in value:
        return
    match value.get("object"), name:
        case "checkout.session", "line_items":
            value[name] = line_items_of(source)
        case "price", "tiers":
            value[name] = source.get("_tiers")
        case "invoice", "payments":
            payments = api.store.list_by("invoice_payment", "invoice", source["id"])
            data = [public(payment) for payment in payments][::-1]
            value[name] = embedded_list("/v1/invoice_payments", data)
        case "customer", "subscriptions":
            found = api.store.list_by("subscription", "customer", source["id"])
            data = [
                public(subscription)
                for subscription in list(found)[::-1]
                if subscription["status"] != "canceled"
            ]
            value[name] = embedded_list(f"/v1/customers/{source['id']}/subscriptions", data)
        case _:
            pass
