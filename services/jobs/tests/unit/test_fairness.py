"""Fair dispatch: slots by plan, capacity by topic, and no user behind another for ever."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import PLANS, Plan
from msaas.jobs.domain.fairness import (
    PLAN_WEIGHTS,
    WaitingUser,
    find_slot_shares,
    find_topic_capacity,
)

USERS = st.builds(
    WaitingUser,
    user_id=st.integers(1, 20).map(lambda number: UUID(int=number)),
    plan=st.sampled_from(Plan),
    slots=st.none() | st.integers(0, 30),
)
HELD = st.dictionaries(st.integers(1, 20).map(lambda number: UUID(int=number)), st.integers(0, 120))


@given(st.lists(USERS, unique_by=lambda user: user.user_id), HELD)
def test_users_get_no_more_jobs_than_their_free_slots(
    waiting: list[WaitingUser], held: dict[UUID, int]
) -> None:
    turns = {turn.user_id: turn for turn in find_slot_shares(waiting, held)}
    for user in waiting:
        slots = PLANS[user.plan].slots if user.slots is None else user.slots
        left = slots - held.get(user.user_id, 0)
        assert (user.user_id in turns) == (left > 0)
        assert left <= 0 or turns[user.user_id].free_slots == left


@given(st.integers(1, 500), st.integers(0, 8), st.sampled_from(Plan), st.sampled_from(Plan))
def test_between_two_jobs_of_a_user_others_get_few(
    held: int, more: int, mine: Plan, other: Plan
) -> None:
    """Between two jobs of one user, other users get jobs by their weights, and no more."""
    now, then = held / PLAN_WEIGHTS[mine], (held + 1) / PLAN_WEIGHTS[mine]
    turns = [(n + more) / PLAN_WEIGHTS[other] for n in range(1_000)]
    between = [turn for turn in turns if now < turn <= then]
    assert len(between) <= -(-PLAN_WEIGHTS[other] // PLAN_WEIGHTS[mine])


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["x", "y"]), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 300)),
    st.integers(1, 200),
)
def test_the_capacity_of_a_topic_is_what_its_window_leaves(
    topics: dict[str, str], unread: dict[str, int], window: int
) -> None:
    capacities = find_topic_capacity(topics, unread, window)
    assert capacities.keys() == set(topics.values())
    for topic, capacity in capacities.items():
        there = sum(count for kind, count in unread.items() if topics.get(kind) == topic)
        assert capacity == window - there
