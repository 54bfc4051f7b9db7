"""Fair dispatch: slots by plan, and an order by the slots that a user already holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from msaas.contracts import PLANS, Plan

PLAN_WEIGHTS: Mapping[Plan, int] = MappingProxyType({Plan.FREE: 1, Plan.PRO: 4, Plan.ENTERPRISE: 8})
"""How many slots a plan gets for each slot of a FREE user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingUser:
    """A user with jobs to dispatch; `slots` is an override of the plan's."""

    user_id: UUID
    plan: Plan
    slots: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotShare:
    """How many jobs a user may begin now: the n-th has rank `(used + n) / weight`, lowest first."""

    user_id: UUID
    plan: Plan
    used_slots: int
    free_slots: int

    @property
    def weight(self) -> int:
        return PLAN_WEIGHTS[self.plan]


def find_slot_shares(
    waiting: Iterable[WaitingUser], used_slots: Mapping[UUID, int]
) -> list[SlotShare]:
    """Leave out users who hold all slots of their plan."""
    shares = [_share_of(user, used_slots.get(user.user_id, 0)) for user in waiting]
    return [share for share in shares if share.free_slots > 0]


def _share_of(user: WaitingUser, used_slots: int) -> SlotShare:
    slots = PLANS[user.plan].slots if user.slots is None else user.slots
    return SlotShare(
        user_id=user.user_id, plan=user.plan, used_slots=used_slots, free_slots=slots - used_slots
    )


def find_topic_capacity(
    topics: Mapping[str, str], unread: Mapping[str, int], window: int
) -> dict[str, int]:
    """Return how many more envelopes each topic takes; both mappings are by task type."""
    capacity = dict.fromkeys(topics.values(), window)
    for task_type, count in unread.items():
        if topic := topics.get(task_type):
            capacity[topic] -= count
    return capacity
