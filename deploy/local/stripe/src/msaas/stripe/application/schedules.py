"""Subscription schedules: a change of plan at the end of the period."""

from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.schedule_phases import current_phase, read_phases, release
from msaas.stripe.application.subscription_ends import end
from msaas.stripe.application.subscriptions import get_running
from msaas.stripe.application.subscriptions import routes as subscription_routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, merge_metadata, public

routes: Routes = subscription_routes


@routes.add("POST", "/v1/subscription_schedules", "from_subscription metadata")
def create_schedule(api: Api, params: Params) -> Resource:
    if "from_subscription" not in params:
        raise ApiError(
            "The stand-in does not implement schedules without from_subscription.",
            param="from_subscription",
        )
    subscription = get_running(api, params["from_subscription"])
    if subscription["schedule"]:
        raise ApiError("You cannot migrate a subscription that is already attached to a schedule.")
    phase = current_phase(subscription)
    fields: dict[str, Any] = {
        "billing_mode": subscription["billing_mode"],
        "created": api.now(subscription),
        "current_phase": {"start_date": phase["start_date"], "end_date": phase["end_date"]},
        "customer": subscription["customer"],
        "default_settings": {
            "application_fee_percent": None,
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": {
                "account_tax_ids": None,
                "days_until_due": None,
                "issuer": {"type": "self"},
            },
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "metadata": params.get("metadata") or {},
        "pause_schedules": [],
        "phases": [phase],
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": subscription["test_clock"],
    }
    schedule = api.new("subscription_schedule", "sub_sched_", fields)
    before = public(subscription)
    api.store.edit(subscription["id"]).update(schedule=schedule["id"], _phase_end=phase["end_date"])
    api.emit("subscription_schedule.created", schedule)
    api.emit("customer.subscription.updated", subscription, before)
    return public(schedule)


@routes.add("GET", "/v1/subscription_schedules/{schedule}")
def retrieve_schedule(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("subscription_schedule", identifier))


@routes.add(
    "POST",
    "/v1/subscription_schedules/{schedule}",
    "phases end_behavior metadata proration_behavior",
)
def update_schedule(api: Api, params: Params, identifier: str) -> Resource:
    schedule, subscription = _active(api, identifier)
    before = public(schedule)
    if "phases" in params:
        phases = read_phases(api, subscription, params["phases"])
        if phases[0]["start_date"] > api.now(subscription):
            raise ApiError("The first phase must have begun.", param="phases")
        now = api.now(subscription)
        current = next(phase for phase in phases if phase["end_date"] > now)
        schedule["phases"] = phases
        schedule["current_phase"] = {
            "start_date": current["start_date"],
            "end_date": current["end_date"],
        }
        api.store.edit(subscription["id"])["_phase_end"] = current["end_date"]
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    if "metadata" in params:
        schedule["metadata"] = merge_metadata(schedule["metadata"], params["metadata"])
    api.emit("subscription_schedule.updated", schedule, before)
    return public(schedule)


@routes.add("POST", "/v1/subscription_schedules/{schedule}/release")
def release_schedule(api: Api, _params: Params, identifier: str) -> Resource:
    schedule, subscription = _active(api, identifier)
    release(api, subscription, schedule)
    return public(schedule)


@routes.add("POST", "/v1/subscription_schedules/{schedule}/cancel")
def cancel_schedule(api: Api, _params: Params, identifier: str) -> Resource:
    """Cancel the schedule and its subscription."""
    schedule, subscription = _active(api, identifier)
    end(api, subscription, reason=None, bills_usage=False)
    return public(schedule)


@routes.add("GET", "/v1/subscription_schedules", PAGING + "customer")
def list_schedules(api: Api, params: Params) -> Resource:
    listed = [
        schedule
        for schedule in newest_first(api.store.list_kind("subscription_schedule"))
        if params.get("customer") in {None, schedule["customer"]}
    ]
    return page("/v1/subscription_schedules", listed, params)


def _active(api: Api, identifier: str) -> tuple[Resource, Resource]:
    schedule = api.store.get("subscription_schedule", identifier)
    if schedule["status"] != "active":
        raise ApiError(f"The schedule is {schedule['status']}.")
    api.store.edit(identifier)
    return schedule, api.store.get("subscription", schedule["subscription"])
