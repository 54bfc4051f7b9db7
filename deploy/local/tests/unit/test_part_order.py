"""Parts start after what they depend on, whatever the order in which they are named."""

from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.local.part import Part, start_order


def _part(name: str, *depends_on: str) -> Part:
    return Part(
        name=name,
        command=lambda: ["true"],
        environment=dict,
        is_ready=lambda _: True,
        depends_on=depends_on,
    )


@given(st.permutations(["gateway", "jobs", "redis", "postgres"]))
def test_a_part_comes_after_what_it_depends_on(names: list[str]) -> None:
    needs = {"gateway": ("jobs",), "jobs": ("redis", "postgres")}
    order = [part.name for part in start_order(_part(n, *needs.get(n, ())) for n in names)]
    assert sorted(order) == sorted(names)
    assert order.index("jobs") > max(order.index("redis"), order.index("postgres"))
    assert order[-1] == "gateway"


def test_parts_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(CycleError):
        start_order([_part("a", "b"), _part("b", "a")])
