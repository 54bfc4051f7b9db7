"""Customers."""

from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.payments import attach, find_test_method
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import (
    Resource,
    merge_metadata,
    new_identifier,
    public,
)

routes = Routes()

_FIELDS = "description email name phone address shipping preferred_locales tax_exempt balance "
_PREFIX_LENGTH = 8


@routes.add(
    "POST", "/v1/customers", _FIELDS + "metadata payment_method invoice_settings test_clock"
)
def create_customer(api: Api, params: Params) -> Resource:
    clock = params.get("test_clock")
    if clock:
        api.store.get("test_helpers.test_clock", clock, "test_clock")
    fields: dict[str, Any] = {
        "balance": 0,
        "created": api.timeline.now(clock),
        "delinquent": False,
        "invoice_prefix": new_identifier("", _PREFIX_LENGTH).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
        "test_clock": clock,
    }
    customer = api.new("customer", "cus_", fields)
    _apply(api, customer, params)
    api.emit("customer.created", customer)
    return public(customer)


@routes.add("GET", "/v1/customers/{customer}")
def retrieve_customer(api: Api, _params: Params, identifier: str) -> Resource:
    customer = api.store.get("customer", identifier)
    return _deleted(identifier) if customer.get("_deleted") else public(customer)


@routes.add("POST", "/v1/customers/{customer}", _FIELDS + "metadata invoice_settings")
def update_customer(api: Api, params: Params, identifier: str) -> Resource:
    customer = get_customer(api, identifier, "id")
    before = public(customer)
    _apply(api, api.store.edit(identifier), params)
    api.emit("customer.updated", customer, before)
    return public(customer)


@routes.add("GET", "/v1/customers", PAGING + "created email test_clock")
def list_customers(api: Api, params: Params) -> Resource:
    def is_listed(customer: Resource) -> bool:
        return (
            not customer.get("_deleted")
            and params.get("email") in {None, customer["email"]}
            and customer["test_clock"] == params.get("test_clock")
            and is_in_range(customer["created"], params.get("created"))
        )

    found = filter(is_listed, newest_first(api.store.list_kind("customer")))
    return page("/v1/customers", found, params)


@routes.add("GET", "/v1/customers/{customer}/payment_methods", PAGING + "type")
def list_payment_methods(api: Api, params: Params, identifier: str) -> Resource:
    get_customer(api, identifier, "id")
    methods = newest_first(api.store.list_by("payment_method", "customer", identifier))
    found = [method for method in methods if params.get("type") in {None, method["type"]}]
    return page(f"/v1/customers/{identifier}/payment_methods", found, params)


def get_customer(api: Api, identifier: str, param: str = "customer") -> Resource:
    """Return a customer that is not deleted."""
    customer = api.store.get("customer", identifier, param)
    if customer.get("_deleted"):
        raise ApiError(f"No such customer: '{identifier}'", code="resource_missing", param=param)
    return customer


def _apply(api: Api, customer: Resource, params: Params) -> None:
    for name in _FIELDS.split():
        if name in params:
            customer[name] = params[name] if name == "balance" else params[name] or None
    if "metadata" in params:
        customer["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    settings = params.get("invoice_settings", {})
    method = settings.get("default_payment_method")
    if method:
        method = find_test_method(api, method, customer) or method
        api.store.get("payment_method", method, "invoice_settings[default_payment_method]")
        customer["invoice_settings"]["default_payment_method"] = method
    if "payment_method" in params:
        name = params["payment_method"]
        attach(api, find_test_method(api, name, customer) or name, customer)


def _deleted(identifier: str) -> Resource:
    return {"id": identifier, "object": "customer", "deleted": True}
