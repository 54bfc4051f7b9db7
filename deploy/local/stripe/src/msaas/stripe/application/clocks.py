"""Test clocks, and the engine that makes everything happen that is due."""

from typing import Any, Final

from msaas.stripe.application import checkout_sessions, invoicing, subscription_cycle
from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.timeline import Timeline
from msaas.stripe.domain.calendar import DAY
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, public

routes = Routes()

_RUNNERS: Final = {
    "subscription": subscription_cycle.run_due,
    "invoice": invoicing.run_due,
    "checkout.session": checkout_sessions.run_due,
}
_LIFE: Final = 30 * DAY


def install_rules(timeline: Timeline) -> None:
    timeline.add_rule("subscription", subscription_cycle.next_due)
    timeline.add_rule("invoice", invoicing.next_due)
    timeline.add_rule("checkout.session", checkout_sessions.next_due)


def run_until(api: Api, domain: str, until: int) -> None:
    """Make everything happen that is due, in its order and each at its own time."""
    current = api.timeline.now(domain)
    api.timeline.schedule(api.store.take_touched())
    while (at := run_next(api, domain, until, current)) is not None:
        current = at


def run_next(api: Api, domain: str, until: int, current: int = 0) -> int | None:
    """Make the one thing happen that is due first; return its time.

    What fails is excluded, so that it does not stop everything else.
    """
    while (due := api.timeline.pop_due(domain, until)) is not None:
        document = api.store.find_any(due[1])
        if document is None or not api.timeline.is_due(document, due[0]):
            continue
        at = max(due[0], current)
        api.timeline.run_at(domain, at)
        try:
            _RUNNERS[document["object"]](api, document)
        except Exception:
            api.timeline.exclude(document["id"])
            raise
        finally:
            api.timeline.end_run(domain)
        api.timeline.schedule(api.store.take_touched())
        return at
    return None


@routes.add("POST", "/v1/test_helpers/test_clocks", "frozen_time name")
def create_clock(api: Api, params: Params) -> Resource:
    fields: dict[str, Any] = {
        "created": api.now(),
        "deletes_after": api.now() + _LIFE,
        "frozen_time": params["frozen_time"],
        "name": params.get("name"),
        "status": "ready",
        "status_details": {},
    }
    clock = api.new("test_helpers.test_clock", "clock_", fields)
    api.timeline.freeze(clock["id"], clock["frozen_time"])
    api.emit("test_helpers.test_clock.created", clock)
    return public(clock)


@routes.add("GET", "/v1/test_helpers/test_clocks/{test_clock}")
def retrieve_clock(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("test_helpers.test_clock", identifier))


@routes.add("GET", "/v1/test_helpers/test_clocks", PAGING)
def list_clocks(api: Api, params: Params) -> Resource:
    found = newest_first(api.store.list_kind("test_helpers.test_clock"))
    return page("/v1/test_helpers/test_clocks", found, params)


@routes.add("POST", "/v1/test_helpers/test_clocks/{test_clock}/advance", "frozen_time")
def advance_clock(api: Api, params: Params, identifier: str) -> Resource:
    """Advance at once, and answer `advancing` as Stripe does; the next look says `ready`."""
    clock = api.store.get("test_helpers.test_clock", identifier)
    until = params["frozen_time"]
    if until <= clock["frozen_time"]:
        raise ApiError("The clock can only go forward.", param="frozen_time")
    api.store.edit(identifier)["status"] = "advancing"
    api.emit("test_helpers.test_clock.advancing", clock)
    answer = public(clock)
    try:
        run_until(api, identifier, until)
        api.timeline.freeze(identifier, until)
    except ApiError as error:
        raise ApiError(f"The clock failed: {error.message}", status=500) from error
    clock.update(frozen_time=until, status="ready")
    api.emit("test_helpers.test_clock.ready", clock)
    return answer


@routes.add("DELETE", "/v1/test_helpers/test_clocks/{test_clock}")
def delete_clock(api: Api, _params: Params, identifier: str) -> Resource:
    """Delete the clock, its customers and what they have."""
    clock = api.store.get("test_helpers.test_clock", identifier)
    for kind in ("customer", "subscription", "invoice", "subscription_schedule"):
        for document in list(api.store.list_kind(kind)):
            if document["test_clock"] == identifier:
                api.store.remove(document["id"])
    api.store.remove(identifier)
    api.timeline.drop(identifier)
    api.emit("test_helpers.test_clock.deleted", clock)
    return {"id": identifier, "object": "test_helpers.test_clock", "deleted": True}
