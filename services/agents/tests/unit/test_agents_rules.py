"""Ceilings and the states of runs: nothing raises a ceiling, and an end is final."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from msaas.agents.adapters.postgres.rows import dump_json, load_json
from msaas.agents.adapters.postgres.tables import approvals, runs
from msaas.agents.domain.ceilings import DAY_COST_MICRO_USD, limit_run
from msaas.agents.domain.errors import StaleRun
from msaas.agents.domain.runs import NEXT_STATES, EndState, RunHead
from msaas.contracts import RUN_CEILINGS, Ceilings, Plan, normalise_text
from msaas.kernel import new_id

ENDS: tuple[EndState, ...] = ("succeeded", "failed", "cancelled")
NAMES = ("steps", "tokens", "cost_micro_usd", "seconds")


def maybe(lowest: int, highest: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(lowest, highest)


REQUESTED = st.builds(
    Ceilings,
    steps=maybe(1, 1_000),
    tokens=maybe(1, 10**9),
    cost_micro_usd=maybe(0, 2**53),
    seconds=maybe(1, 86_400),
)


@given(plan=st.sampled_from(Plan), requested=REQUESTED)
def test_a_request_lowers_a_ceiling_and_never_raises_it(plan: Plan, requested: Ceilings) -> None:
    effective = limit_run(plan, requested)
    for name in NAMES:
        allowed, expected = getattr(RUN_CEILINGS[plan], name), getattr(requested, name)
        assert getattr(effective, name) == (allowed if expected is None else min(allowed, expected))


def test_a_larger_plan_allows_more_of_everything() -> None:
    plans = [limit_run(plan, Ceilings()) for plan in (Plan.FREE, Plan.PRO, Plan.ENTERPRISE)]
    for name in NAMES:
        allowed = [getattr(each, name) for each in plans]
        assert allowed == sorted(set(allowed))
    assert sorted(DAY_COST_MICRO_USD.values()) == list(DAY_COST_MICRO_USD.values())


def test_the_table_has_the_states_of_the_domain() -> None:
    declared = {state: frozenset(after) for state, after in runs.info["states"].items()}
    assert declared == dict(NEXT_STATES)
    assert set(approvals.info["states"]["open"]) == {"approved", "denied", "answered", "expired"}


class RunMachine(RuleBasedStateMachine):
    """Workers with older and newer fences do everything they can with one run."""

    @initialize()
    def begin(self) -> None:
        self.fences: list[UUID] = [new_id()]
        self.head = RunHead("running", self.fences[0])
        self.ended: RunHead | None = None

    @rule()
    def dispatch(self) -> None:
        self.fences.append(new_id())

    @rule(pick=st.integers(0, 9))
    def take(self, pick: int) -> None:
        fence = self._pick(pick)
        if fence < self.head.fence:
            with pytest.raises(StaleRun):
                self.head.take(fence)
            return
        taken = self.head.take(fence)
        assert taken == (self.ended or RunHead("running", fence))
        self.head = taken

    @rule(pick=st.integers(0, 9))
    def suspend(self, pick: int) -> None:
        fence = self._pick(pick)
        if not self._holds(fence):
            with pytest.raises(StaleRun):
                self.head.suspend(fence)
            return
        self.head = self.head.suspend(fence)

    @rule(pick=st.none() | st.integers(0, 9), state=st.sampled_from(ENDS))
    def end(self, pick: int | None, state: EndState) -> None:
        fence = None if pick is None else self._pick(pick)
        waits = self.head.state == "waiting"
        # Jobs may end a run that anybody holds; what waits can fail or be cancelled only.
        may = self._holds(fence) and not waits if fence else self.ended is None
        may = may and (not waits or state != "succeeded")
        if not may:
            with pytest.raises(StaleRun):
                self.head.end(fence, state)
            return
        self.head = self.ended = self.head.end(fence, state)

    @invariant()
    def an_end_is_final(self) -> None:
        assert self.ended is None or self.head == self.ended
        assert self.head.fence in self.fences

    def _pick(self, pick: int) -> UUID:
        return self.fences[pick % len(self.fences)]

    def _holds(self, fence: UUID) -> bool:
        return fence == self.head.fence and not self.head.has_ended


TestRunMachine = RunMachine.TestCase
TestRunMachine.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "a\0\ud800b"])
def test_text_that_postgres_stores_in_no_json_is_replaced(text: str) -> None:
    stored = load_json(dump_json({"text": [text], text: {"same": text}}))
    clean = normalise_text(text)
    assert stored == {"text": [clean], clean: {"same": clean}}
