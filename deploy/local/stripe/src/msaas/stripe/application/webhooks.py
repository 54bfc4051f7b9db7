"""Webhook endpoints, the list of events, and the state of each delivery."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.calendar import DAY, HOUR
from msaas.stripe.domain.errors import ApiError, check_url, missing
from msaas.stripe.domain.resources import Resource, merge_metadata, new_identifier, public

routes = Routes()

# The pauses before each further attempt: backoff that ends after three days.
RETRY_PAUSES: Final = (
    *(5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR),
    *(12 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR),
)
_EVENT_DAYS: Final = 30
_MAX_TYPES: Final = 20
_MAX_ENDPOINTS: Final = 16


@routes.add("POST", "/v1/webhook_endpoints", "url enabled_events api_version description metadata")
def create_endpoint(api: Api, params: Params) -> Resource:
    if len(list(api.store.list_kind("webhook_endpoint"))) >= _MAX_ENDPOINTS:
        raise ApiError("You have reached the maximum of 16 webhook endpoints.")
    check_url(params["url"], "url")
    secret = api.controls.webhook_secret or new_identifier("whsec_", 32)
    fields: dict[str, Any] = {
        "api_version": params.get("api_version"),
        "created": api.now(),
        "description": params.get("description") or None,
        "enabled_events": params["enabled_events"],
        "metadata": params.get("metadata") or {},
        "status": "enabled",
        "url": params["url"],
        "_secrets": [{"secret": secret, "until": None}],
    }
    endpoint = api.new("webhook_endpoint", "we_", fields)
    endpoint.pop("secret", None)
    # Only the answer to the creation shows the secret.
    return public(endpoint) | {"secret": secret}


@routes.add("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def retrieve_endpoint(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("webhook_endpoint", identifier))


@routes.add(
    "POST",
    "/v1/webhook_endpoints/{webhook_endpoint}",
    "url enabled_events description disabled metadata",
)
def update_endpoint(api: Api, params: Params, identifier: str) -> Resource:
    endpoint = api.store.get("webhook_endpoint", identifier)
    api.store.edit(identifier)
    for name in ("url", "enabled_events", "description"):
        if name in params:
            endpoint[name] = params[name] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    return public(endpoint)


@routes.add("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete_endpoint(api: Api, _params: Params, identifier: str) -> Resource:
    api.store.get("webhook_endpoint", identifier)
    api.store.remove(identifier)
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


@routes.add("GET", "/v1/webhook_endpoints", PAGING)
def list_endpoints(api: Api, params: Params) -> Resource:
    found = newest_first(api.store.list_kind("webhook_endpoint"))
    return page("/v1/webhook_endpoints", found, params)


@routes.add("GET", "/v1/events/{id}")
def retrieve_event(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("event", identifier))


@routes.add("GET", "/v1/events", PAGING + "created delivery_success type types")
def list_events(api: Api, params: Params) -> Resource:
    """List the events of the last 30 days."""
    if len(params.get("types", [])) > _MAX_TYPES:
        raise ApiError(f"At most {_MAX_TYPES} types are allowed.", param="types")
    oldest = api.timeline.wall() - _EVENT_DAYS * DAY
    listed = [
        event
        for event in newest_first(api.store.list_kind("event"))
        if event["created"] >= oldest
        and _has_type(event["type"], params)
        and is_in_range(event["created"], params.get("created"))
        and _matches_delivery(api, event, params.get("delivery_success"))
    ]
    return page("/v1/events", listed, params)


def find_endpoint(api: Api, identifier: str) -> Resource | None:
    """Find an endpoint of either kind of events."""
    return api.store.find("webhook_endpoint", identifier) or api.store.find(
        "v2.core.event_destination", identifier
    )


def roll_secret(api: Api, identifier: str, overlap: float) -> str:
    """Begin to sign with a new secret too; the former one ends after the overlap."""
    endpoint = find_endpoint(api, identifier)
    if endpoint is None:
        raise missing("webhook endpoint", identifier)
    api.store.edit(identifier)
    secret = new_identifier("whsec_", 32)
    for known in endpoint["_secrets"]:
        known["until"] = known["until"] or api.timeline.wall() + overlap
    endpoint["_secrets"].insert(0, {"secret": secret, "until": None})
    return secret


def active_secrets(endpoint: Resource, now: float) -> list[str]:
    return [
        known["secret"]
        for known in endpoint["_secrets"]
        if known["until"] is None or known["until"] > now
    ]


def finish_attempt(api: Api, delivery: Resource, status: int | None, scale: float) -> None:
    """Store the outcome of an attempt: delivered, to be tried again, or failed for good."""
    api.store.edit(delivery["id"])
    delivery["attempts"] += 1
    delivery["last_status"] = status
    if status is not None and status // 100 == 2:  # noqa: PLR2004 - any success
        _close(api, delivery, "delivered")
    elif delivery["attempts"] > len(RETRY_PAUSES):
        _close(api, delivery, "failed")
    else:
        attempts: int = delivery["attempts"]
        delivery["next_at"] = api.timeline.wall() + RETRY_PAUSES[attempts - 1] * scale


def _close(api: Api, delivery: Resource, status: str) -> None:
    delivery["status"] = status
    event = api.store.find_any(delivery["event"])
    if event is not None and status == "delivered" and event.get("pending_webhooks"):
        api.store.edit(event["id"])["pending_webhooks"] -= 1


def _has_type(name: str, params: Params) -> bool:
    if "types" in params:
        return name in params["types"]
    given = params.get("type")
    if given is None:
        return True
    return name.startswith(given[:-1]) if given.endswith("*") else name == given


def _matches_delivery(api: Api, event: Resource, expected: bool | None) -> bool:  # noqa: FBT001 - a filter
    if expected is None:
        return True
    deliveries = api.store.list_by("delivery", "event", event["id"])
    return all(delivery["status"] == "delivered" for delivery in deliveries) == expected
