"""The customer portal: its configuration, its sessions, and what a customer does there."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer, update_customer
from msaas.stripe.application.invoice_lines import is_metered
from msaas.stripe.application.paging import PAGING, newest_first, page
from msaas.stripe.application.payments import attach, new_card
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.schedules import create_schedule, release_schedule, update_schedule
from msaas.stripe.application.subscription_changes import update_subscription
from msaas.stripe.application.subscription_ends import is_ended
from msaas.stripe.application.subscription_items import items_of
from msaas.stripe.application.subscriptions import cancel_subscription
from msaas.stripe.domain.calendar import HOUR
from msaas.stripe.domain.errors import ApiError, check_url
from msaas.stripe.domain.resources import Resource, merge_metadata, new_identifier, public

routes = Routes()

_FEATURES: Final[dict[str, dict[str, Any]]] = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {
        "duration": {"interval_options": [], "type": "indefinite"},
        "enabled": False,
    },
    "subscription_update": {
        "billing_cycle_anchor": "unchanged",
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
_PROFILE: Final = {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None}


@routes.add(
    "POST",
    "/v1/billing_portal/configurations",
    "features business_profile default_return_url metadata name",
)
def create_configuration(api: Api, params: Params) -> Resource:
    now = api.now()
    fields: dict[str, Any] = {
        "active": True,
        "business_profile": dict(_PROFILE),
        "created": now,
        "features": {name: dict(value) for name, value in _FEATURES.items()},
        "is_default": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "updated": now,
    }
    configuration = api.new("billing_portal.configuration", "bpc_", fields)
    _configure(configuration, params)
    api.emit("billing_portal.configuration.created", configuration)
    return public(configuration)


@routes.add("GET", "/v1/billing_portal/configurations/{configuration}")
def retrieve_configuration(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("billing_portal.configuration", identifier))


@routes.add(
    "POST",
    "/v1/billing_portal/configurations/{configuration}",
    "features business_profile default_return_url metadata name active",
)
def update_configuration(api: Api, params: Params, identifier: str) -> Resource:
    configuration = api.store.get("billing_portal.configuration", identifier)
    before = public(configuration)
    _configure(api.store.edit(identifier), params)
    configuration["updated"] = api.now()
    api.emit("billing_portal.configuration.updated", configuration, before)
    return public(configuration)


@routes.add("GET", "/v1/billing_portal/configurations", PAGING + "active is_default")
def list_configurations(api: Api, params: Params) -> Resource:
    listed = [
        found
        for found in newest_first(api.store.list_kind("billing_portal.configuration"))
        if all(params.get(name) in {None, found[name]} for name in ("active", "is_default"))
    ]
    return page("/v1/billing_portal/configurations", listed, params)


@routes.add("POST", "/v1/billing_portal/sessions", "customer configuration return_url locale")
def create_session(api: Api, params: Params) -> Resource:
    customer = get_customer(api, params.get("customer", ""))
    check_url(params.get("return_url", "http:"), "return_url")
    if "configuration" not in params:
        raise ApiError(
            "No configuration provided and your test mode default configuration has not been "
            "created.",
            param="configuration",
        )
    configuration = api.store.get(
        "billing_portal.configuration", params["configuration"], "configuration"
    )
    identifier = new_identifier("bps_")
    fields: dict[str, Any] = {
        "id": identifier,
        "configuration": configuration["id"],
        "created": api.now(customer),
        "customer": customer["id"],
        "locale": params.get("locale"),
        "return_url": params.get("return_url", configuration["default_return_url"]),
        "url": f"{api.public_url}/portal/{identifier}",
        "_opened_until": api.timeline.wall() + HOUR,
    }
    session = api.new("billing_portal.session", "bps_", fields)
    api.emit("billing_portal.session.created", session)
    return public(session)


def running_subscriptions(api: Api, session: Resource) -> list[Resource]:
    found = api.store.list_by("subscription", "customer", session["customer"])
    return [
        subscription
        for subscription in found
        if not is_ended(subscription) and subscription["status"] != "incomplete"
    ]


def list_offers(api: Api, session: Resource, subscription: Resource) -> list[Resource]:
    """Return the prices that the customer may change to."""
    update = _features(api, session)["subscription_update"]
    item = flat_item(subscription)
    if not update["enabled"] or item is None:
        return []
    products: list[Resource] = update["products"] or []
    prices = [api.store.get("price", price) for product in products for price in product["prices"]]
    return [price for price in prices if price["id"] != item["price"]["id"] and price["active"]]


def may_cancel(api: Api, session: Resource) -> bool:
    return bool(_features(api, session)["subscription_cancel"]["enabled"])


def may_change_card(api: Api, session: Resource) -> bool:
    return bool(_features(api, session)["payment_method_update"]["enabled"])


def flat_item(subscription: Resource) -> Resource | None:
    """Return the only item with a flat price, which a change of plan replaces."""
    items = [item for item in items_of(subscription) if not is_metered(item["price"])]
    return items[0] if len(items) == 1 else None


def cancel(api: Api, session: Resource, identifier: str) -> None:
    feature = _features(api, session)["subscription_cancel"]
    _owned(api, session, identifier)
    if not feature["enabled"]:
        raise ApiError("Cancellation is not enabled.")
    if feature["mode"] == "immediately":
        prorates = feature["proration_behavior"] != "none"
        cancel_subscription(api, {"prorate": prorates, "invoice_now": prorates}, identifier)
    else:
        update_subscription(api, {"cancel_at_period_end": True}, identifier)


def renew(api: Api, session: Resource, identifier: str) -> None:
    """Take a cancellation at the period's end back."""
    _owned(api, session, identifier)
    update_subscription(api, {"cancel_at_period_end": False}, identifier)


def change_plan(api: Api, session: Resource, identifier: str, price: str) -> None:
    """Change the flat price: now, or at the period's end where the configuration says so."""
    subscription = _owned(api, session, identifier)
    offers = {offer["id"]: offer for offer in list_offers(api, session, subscription)}
    item = flat_item(subscription)
    if price not in offers or item is None:
        raise ApiError("This plan is not offered.", param="price")
    feature = _features(api, session)["subscription_update"]
    if subscription["schedule"]:
        release_schedule(api, {}, subscription["schedule"])
    if _waits(feature, item["price"], offers[price]):
        _schedule_plan(api, subscription, item, price)
        return
    changed = {"id": item["id"], "price": price}
    update_subscription(
        api, {"items": [changed], "proration_behavior": feature["proration_behavior"]}, identifier
    )


def change_card(api: Api, session: Resource, number: str) -> None:
    if not may_change_card(api, session):
        raise ApiError("A change of the payment method is not enabled.")
    customer = get_customer(api, session["customer"])
    method = attach(api, new_card(api, number, customer)["id"], customer)
    settings = {"default_payment_method": method["id"]}
    update_customer(api, {"invoice_settings": settings}, customer["id"])
    for subscription in running_subscriptions(api, session):
        changed = {"default_payment_method": method["id"]}
        update_subscription(api, changed, subscription["id"])


def _features(api: Api, session: Resource) -> Resource:
    return api.store.get("billing_portal.configuration", session["configuration"])["features"]


def _owned(api: Api, session: Resource, identifier: str) -> Resource:
    subscription = api.store.get("subscription", identifier)
    if subscription["customer"] != session["customer"]:
        raise ApiError("The subscription belongs to another customer.", status=403)
    return subscription


def _waits(feature: Resource, former: Resource, price: Resource) -> bool:
    conditions = {part["type"] for part in feature["schedule_at_period_end"]["conditions"]}
    is_less = (price["unit_amount"] or 0) < (former["unit_amount"] or 0)
    return "decreasing_item_amount" in conditions and is_less


def _schedule_plan(api: Api, subscription: Resource, item: Resource, price: str) -> None:
    schedule = create_schedule(api, {"from_subscription": subscription["id"]})
    current = schedule["phases"][0]
    items = [
        {name: part[name] for name in ("price", "quantity") if name in part}
        for part in current["items"]
    ]
    changed = [
        {**part, "price": price} if part["price"] == item["price"]["id"] else part for part in items
    ]
    phases = [
        {
            "items": items,
            "start_date": current["start_date"],
            "end_date": current["end_date"],
        },
        {"items": changed, "proration_behavior": "none"},
    ]
    update_schedule(api, {"phases": phases, "end_behavior": "release"}, schedule["id"])


def _configure(configuration: Resource, params: Params) -> None:
    features: dict[str, Params] = params.get("features") or {}
    for name, given in features.items():
        feature = configuration["features"][name]
        feature.update({key: [] if value == "" else value for key, value in given.items()})
    configuration["business_profile"] |= params.get("business_profile") or {}
    for name in ("default_return_url", "name", "active"):
        if name in params:
            configuration[name] = params[name] if params[name] != "" else None
    if "metadata" in params:
        configuration["metadata"] = merge_metadata(configuration["metadata"], params["metadata"])
