"""Products and prices."""

from decimal import Decimal
from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, merge_metadata, public

routes = Routes()

_PRODUCT = "active description name metadata statement_descriptor unit_label url images "
_MAX_DECIMALS = 12


@routes.add("POST", "/v1/products", _PRODUCT + "id default_price_data tax_code shippable type")
def create_product(api: Api, params: Params) -> Resource:
    if api.store.find_any(params.get("id", "")):
        raise ApiError("Product already exists.", code="resource_already_exists", param="id")
    now = api.now()
    fields: dict[str, Any] = {
        "active": True,
        "created": now,
        "images": [],
        "marketing_features": [],
        "metadata": {},
        "type": "service",
        "updated": now,
    }
    given = {name: value for name, value in params.items() if name in _PRODUCT or name == "id"}
    product = api.new("product", "prod_", fields | given)
    api.emit("product.created", product)
    if "default_price_data" in params:
        price = create_price(api, {**params["default_price_data"], "product": product["id"]})
        product["default_price"] = price["id"]
    return public(product)


@routes.add("GET", "/v1/products/{id}")
def retrieve_product(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("product", identifier))


@routes.add("POST", "/v1/products/{id}", _PRODUCT + "default_price")
def update_product(api: Api, params: Params, identifier: str) -> Resource:
    before = public(api.store.get("product", identifier))
    product = api.store.edit(identifier)
    _change(product, params)
    product["updated"] = api.now()
    api.emit("product.updated", product, before)
    return public(product)


@routes.add("GET", "/v1/products", PAGING + "active created ids url")
def list_products(api: Api, params: Params) -> Resource:
    found = (
        product
        for product in newest_first(api.store.list_kind("product"))
        if params.get("active") in {None, product["active"]}
        and ("ids" not in params or product["id"] in params["ids"])
        and params.get("url") in {None, product["url"]}
        and is_in_range(product["created"], params.get("created"))
    )
    return page("/v1/products", found, params)


@routes.add(
    "POST",
    "/v1/prices",
    "active billing_scheme currency lookup_key metadata nickname product product_data recurring "
    "tax_behavior tiers tiers_mode transfer_lookup_key transform_quantity unit_amount "
    "unit_amount_decimal",
)
def create_price(api: Api, params: Params) -> Resource:
    product = _product_of(api, params)
    _place_lookup_key(api, params)
    fields: dict[str, Any] = {
        "active": params.get("active", True),
        "billing_scheme": params.get("billing_scheme", "per_unit"),
        "created": api.now(),
        "currency": params["currency"].lower(),
        "lookup_key": params.get("lookup_key"),
        "metadata": params.get("metadata") or {},
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": _recurring(api, params["recurring"]) if "recurring" in params else None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if "recurring" in params else "one_time",
    }
    price = api.new("price", "price_", fields | _amounts(params))
    api.emit("price.created", price)
    return public(price)


@routes.add("GET", "/v1/prices/{price}")
def retrieve_price(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("price", identifier))


@routes.add(
    "POST",
    "/v1/prices/{price}",
    "active lookup_key metadata nickname tax_behavior transfer_lookup_key",
)
def update_price(api: Api, params: Params, identifier: str) -> Resource:
    before = public(api.store.get("price", identifier))
    price = api.store.edit(identifier)
    _place_lookup_key(api, params)
    _change(price, {name: value for name, value in params.items() if name in price})
    api.emit("price.updated", price, before)
    return public(price)


@routes.add(
    "GET", "/v1/prices", PAGING + "active created currency lookup_keys product recurring type"
)
def list_prices(api: Api, params: Params) -> Resource:
    found = (
        price
        for price in newest_first(api.store.list_kind("price"))
        if all(params.get(name) in {None, price[name]} for name in _PRICE_FILTERS)
        and ("lookup_keys" not in params or price["lookup_key"] in params["lookup_keys"])
        and _matches_recurring(price, params.get("recurring", {}))
        and is_in_range(price["created"], params.get("created"))
    )
    return page("/v1/prices", found, params)


_PRICE_FILTERS = ("active", "currency", "product", "type")


def _matches_recurring(price: Resource, expected: Params) -> bool:
    recurring: Resource = price["recurring"] or {}
    return all(recurring.get(name) == value for name, value in expected.items())


def _change(document: Resource, params: Params) -> None:
    for name, value in params.items():
        if name == "metadata":
            document["metadata"] = merge_metadata(document["metadata"], value)
        elif name != "expand":
            document[name] = None if value == "" else value


def _product_of(api: Api, params: Params) -> str:
    if "product_data" in params:
        return create_product(api, params["product_data"])["id"]
    if "product" not in params:
        raise ApiError(
            "You must specify either product or product_data.",
            code="parameter_missing",
            param="product",
        )
    return api.store.get("product", params["product"], "product")["id"]


def _place_lookup_key(api: Api, params: Params) -> None:
    """Refuse a key that another price has, or take it from that price."""
    key = params.get("lookup_key")
    holder = next(
        (price for price in api.store.list_kind("price") if key and price["lookup_key"] == key),
        None,
    )
    if holder is None:
        return
    if not params.get("transfer_lookup_key"):
        raise ApiError(
            "A price already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    before = public(holder)
    api.store.edit(holder["id"])["lookup_key"] = None
    api.emit("price.updated", holder, before)


def _recurring(api: Api, given: Params) -> Resource:
    usage_type = given.get("usage_type", "licensed")
    meter = given.get("meter")
    if (usage_type == "metered") != (meter is not None):
        raise ApiError(
            "A metered price needs a meter, and only a metered price has one.",
            param="recurring[meter]",
        )
    if meter:
        api.store.get("billing.meter", meter, "recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": meter,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": usage_type,
    }


def _amounts(params: Params) -> Resource:
    if params.get("billing_scheme") == "tiered":
        return {
            "tiers_mode": params["tiers_mode"],
            "_tiers": [_tier(tier) for tier in params["tiers"]],
            "unit_amount": None,
            "unit_amount_decimal": None,
        }
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise ApiError(
            "Specify exactly one of unit_amount and unit_amount_decimal.",
            code="parameter_missing",
            param="unit_amount",
        )
    unit, amount = _exact(params.get("unit_amount"), params.get("unit_amount_decimal"))
    return {"unit_amount": unit, "unit_amount_decimal": amount}


def _tier(given: Params) -> Resource:
    flat, flat_decimal = _exact(given.get("flat_amount"), given.get("flat_amount_decimal"))
    unit, unit_decimal = _exact(given.get("unit_amount"), given.get("unit_amount_decimal"))
    return {
        "flat_amount": flat,
        "flat_amount_decimal": flat_decimal,
        "unit_amount": unit,
        "unit_amount_decimal": unit_decimal,
        "up_to": None if given["up_to"] == "inf" else given["up_to"],
    }


def _exact(whole: int | None, text: str | None) -> tuple[int | None, str | None]:
    """Return an amount as a whole number, null for a fraction of the unit, and as a decimal."""
    if whole is None and text is None:
        return None, None
    amount = Decimal(text) if text is not None else Decimal(whole or 0)
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MAX_DECIMALS:
        raise ApiError("At most 12 decimal places are allowed.", param="unit_amount_decimal")
    is_whole = amount == amount.to_integral_value()
    return (int(amount) if is_whole else None), format(amount.normalize(), "f")
