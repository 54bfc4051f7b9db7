"""Later envelopes have larger fences; a run waits for everything that its nodes wait for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from msaas.agents.domain.fences import order_fence
from msaas.agents.domain.waits import MAX_CHILDREN, Wait, merge_waits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(min_value=0, max_value=10**9).map(lambda ms: NOW + timedelta(milliseconds=ms))


@given(moments, moments, st.uuids(version=4), st.uuids(version=4))
def test_the_fence_of_a_later_envelope_is_larger(
    first: datetime, second: datetime, one: UUID, other: UUID
) -> None:
    fences = order_fence(first, one), order_fence(second, other)
    assert all(fence.version == 7 for fence in fences)
    assert order_fence(first, one) == fences[0], "the same envelope, delivered again"
    if first != second:
        assert (fences[0] < fences[1]) is (first < second)


def test_waits_are_merged_and_the_first_time_counts() -> None:
    children, approval = tuple(uuid4() for _ in range(MAX_CHILDREN)), uuid4()
    merged = merge_waits(
        [
            Wait(children=children, until=NOW + timedelta(hours=1)),
            Wait(children=(children[0], uuid4()), until=NOW + timedelta(hours=2)),
            Wait(approvals=(approval,), until=NOW),
        ]
    )
    assert merged.children == children
    assert merged.approvals == (approval,)
    assert merged.until == NOW
    assert not merged.for_person
    assert Wait(approvals=(approval,), until=NOW).for_person
