"""Whose turn it is when there is not enough for all: slots by plan, turns by what one holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from msaas.contracts import PLANS, Plan

PLAN_WEIGHTS: Mapping[Plan, int] = MappingProxyType({Plan.FREE: 1, Plan.PRO: 4, Plan.ENTERPRISE: 8})
"""How many slots a user has been given, at the same turn, to each one of a FREE user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingUser:
    """A user with jobs to dispatch; `slots` is an override of the plan's."""

    user_id: UUID
    plan: Plan
    slots: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotShare:
    """How many jobs a user may begin now: the n-th comes at `(held + n) / weight`, least first."""

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
    """Leave out who holds all that the plan gives."""
    turns = [_share_of(user, used_slots.get(user.user_id, 0)) for user in waiting]
    return [turn for turn in turns if turn.free_slots > 0]


def _share_of(user: WaitingUser, used_slots: int) -> SlotShare:
    slots = PLANS[user.plan].slots if user.slots is None else user.slots
    return SlotShare(
        user_id=user.user_id, plan=user.plan, used_slots=used_slots, free_slots=slots - used_slots
    )


def find_topic_capacity(
    topics: Mapping[str, str], unread: Mapping[str, int], window: int
) -> dict[str, int]:
    """How many more envelopes each topic takes; both mappings are by task type."""
    rooms = dict.fromkeys(topics.values(), window)
    for task_type, count in unread.items():
        if topic := topics.get(task_type):
            rooms[topic] -= count
    return rooms
