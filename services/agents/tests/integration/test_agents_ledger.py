"""The ledger: nothing is paid twice, and spent and reserved stay below every ceiling."""

import asyncio
import random
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from services.agents.tests.stores_support import AgentsData, HeldRun, answer, bound

from msaas.agents.domain.ceilings import DAY_COST_MICRO_USD
from msaas.agents.domain.effects import Reservation, StepRecord
from msaas.agents.domain.errors import CeilingReached, StaleRun
from msaas.agents.domain.models import ModelAnswer, TokenUsage
from msaas.agents.domain.runs import Ending
from msaas.contracts import Ceilings, Plan

INTERLEAVINGS = 1_000


async def test_an_answer_is_paid_once(data: AgentsData) -> None:
    held = await data.begin()
    ledger = data.stores.ledger
    first = await ledger.reserve(*held.key, "a", bound(100, 1_000))
    assert first == Reservation(
        call_key="a", attempt=1, tokens=100, cost_micro_usd=1_000, is_repeat=False
    )
    reserved = await data.get(held)
    assert (reserved.tokens_reserved, reserved.cost_reserved_micro_usd) == (100, 1_000)
    given_answer = answer("yes\0", 10, 5, 7)
    await ledger.settle(*held.key, "a", given_answer)
    await ledger.settle(*held.key, "a", given_answer)  # its commit was not confirmed
    assert await ledger.reserve(*held.key, "a", bound()) == answer("yes\ufffd", 10, 5, 7)
    run = await data.get(held)
    assert (run.spend.model_calls, run.spend.repeated_calls) == (1, 0)
    assert (run.spend.tokens_in, run.spend.tokens_out, run.spend.cost_micro_usd) == (10, 5, 7)
    assert (run.tokens_reserved, run.cost_reserved_micro_usd, run.tokens_lost) == (0, 0, 0)
    with pytest.raises(StaleRun):
        await ledger.settle(*held.key, "never reserved", given_answer)


async def test_a_call_whose_process_died_is_repeated_once_and_shown(data: AgentsData) -> None:
    held = await data.begin()
    await data.stores.ledger.reserve(*held.key, "a", bound(100, 1_000))
    again = await data.begin_again(held)
    repeat = await data.stores.ledger.reserve(*again.key, "a", bound(200, 2_000))
    assert isinstance(repeat, Reservation)
    assert (repeat.attempt, repeat.is_repeat) == (2, True)
    await data.stores.ledger.settle(*again.key, "a", answer(cost=7))
    with pytest.raises(StaleRun):
        await data.stores.ledger.settle(*held.key, "a", answer())
    run = await data.get(held)
    assert (run.spend.model_calls, run.spend.repeated_calls, run.tokens_lost) == (1, 1, 100)
    assert (run.spend.cost_micro_usd, run.cost_reserved_micro_usd) == (1_007, 0)


async def test_a_failed_call_costs_what_it_may_have_cost_and_is_tried_anew(
    data: AgentsData,
) -> None:
    held = await data.begin()
    await data.stores.ledger.reserve(*held.key, "a", bound(100, 1_000))
    await data.stores.ledger.fail(*held.key, "a", TokenUsage(tokens_in=3, tokens_out=0), 2)
    retry = await data.stores.ledger.reserve(*held.key, "a", bound(100, 1_000))
    assert isinstance(retry, Reservation)
    assert (retry.attempt, retry.is_repeat) == (2, False)
    run = await data.get(held)
    assert (run.spend.tokens_in, run.spend.cost_micro_usd, run.tokens_reserved) == (3, 2, 100)


async def test_what_a_provider_claims_beyond_the_reservation_is_not_counted(
    data: AgentsData,
) -> None:
    held = await data.begin()
    await data.stores.ledger.reserve(*held.key, "a", bound(100, 1_000))
    await data.stores.ledger.settle(*held.key, "a", answer("x", 80, 80, 5_000))
    run = await data.get(held)
    assert (run.spend.tokens_in, run.spend.tokens_out) == (80, 20)
    assert run.spend.cost_micro_usd == 1_000


@pytest.mark.parametrize(
    ("requested", "tokens", "cost", "ceiling"),
    [
        (Ceilings(tokens=99), 100, 1, "tokens"),
        (Ceilings(cost_micro_usd=999), 1, 1_000, "cost"),
        (Ceilings(tokens=10**9, cost_micro_usd=10**9), 60_001, 1, "tokens"),
        (Ceilings(tokens=10**9, cost_micro_usd=10**9), 1, 250_001, "cost"),
    ],
)
async def test_a_refusal_names_its_ceiling_and_reserves_nothing(
    data: AgentsData, requested: Ceilings, tokens: int, cost: int, ceiling: str
) -> None:
    held = await data.begin(requested=requested)
    before = await data.get(held)
    with pytest.raises(CeilingReached) as reached:
        await data.stores.ledger.reserve(*held.key, "a", bound(tokens, cost))
    assert reached.value.ceiling == ceiling
    assert await data.get(held) == before
    await data.stores.ledger.reserve(*held.key, "a", bound(1, 1))


async def test_the_ceiling_of_the_day_is_that_of_all_runs_of_the_user(data: AgentsData) -> None:
    user_id = await data.add_user()
    runs = [await data.begin(user_id) for _ in range(4)]
    for held in runs:
        await data.stores.ledger.reserve(*held.key, "a", bound(1, 250_000))
    last = await data.begin(user_id)
    with pytest.raises(CeilingReached) as reached:
        await data.stores.ledger.reserve(*last.key, "a", bound(1, 1))
    assert reached.value.ceiling == "cost_of_the_day"
    # What a settled call did not use is the user's again.
    await data.stores.ledger.settle(*runs[-1].key, "a", answer(tokens_in=1, tokens_out=0, cost=0))
    await data.stores.ledger.reserve(*last.key, "a", bound(1, 250_000))
    paid = await data.begin(user_id, Plan.PRO)
    await data.stores.ledger.reserve(*paid.key, "a", bound(1, 1))


async def test_no_writer_can_pass_a_ceiling(data: AgentsData) -> None:
    held = await data.begin()
    for change in ("tokens_in = 60_001", "cost_micro_usd = 250_001", "steps = 21"):
        with pytest.raises(asyncpg.CheckViolationError):
            await data.rows.execute(
                f"UPDATE agents.runs SET {change} WHERE id = $1",  # fixed text
                held.run.run_id,
            )


@dataclass(frozen=True)
class Act:
    """What one worker does: a call with its outcome, or a death and another worker in its place."""

    worker: int
    key: str
    outcome: str
    reserved: tuple[int, int]
    used: tuple[int, int]
    cost: int


ACTS = st.builds(
    Act,
    worker=st.integers(0, 5),
    key=st.sampled_from("abcd"),
    outcome=st.sampled_from(["answered", "answered", "answered", "failed", "died", "taken over"]),
    reserved=st.tuples(st.integers(0, 40_000), st.integers(0, 260_000)),
    used=st.tuples(st.integers(0, 40_000), st.integers(0, 40_000)),
    cost=st.integers(0, 300_000),
)


@dataclass
class Chaos:
    """Workers that take runs from each other, and die, with a model that claims anything."""

    data: AgentsData
    workers: list[HeldRun]
    paid: dict[tuple[UUID, str], ModelAnswer] = field(
        default_factory=dict[tuple[UUID, str], ModelAnswer]
    )

    async def act(self, act: Act) -> None:
        worker = self.workers[act.worker]
        try:
            if act.outcome == "taken over":
                self.workers[act.worker] = await self.data.begin_again(worker)
            else:
                await self._call(worker, act)
        except (CeilingReached, StaleRun):
            return

    async def _call(self, worker: HeldRun, act: Act) -> None:
        ledger, paid = self.data.stores.ledger, (worker.run.run_id, act.key)
        found = await ledger.reserve(*worker.key, act.key, bound(*act.reserved))
        if isinstance(found, ModelAnswer):
            assert found == self.paid[paid]
        elif act.outcome == "failed":
            usage = TokenUsage(tokens_in=act.used[0], tokens_out=act.used[1])
            await ledger.fail(*worker.key, act.key, usage, act.cost)
        elif act.outcome == "answered":
            assert paid not in self.paid, "an answer that is stored was requested again"
            given_answer = answer(uuid4().hex, *act.used, act.cost)
            await ledger.settle(*worker.key, act.key, given_answer)
            self.paid[paid] = given_answer

    async def check(self) -> None:
        """Compare the sums of the calls with those of runs and days, and both with the ceilings."""
        for held in self.workers:
            run = await self.data.get(held)
            [calls] = await self.data.rows.fetch(CALLS, held.run.run_id)
            assert run.tokens_left >= 0
            assert run.cost_left_micro_usd >= 0
            assert calls["cost"] == run.spend.cost_micro_usd
            assert calls["cost_held"] == run.cost_reserved_micro_usd
            assert calls["held"] == run.tokens_reserved
            assert calls["lost"] == run.tokens_lost
            assert calls["used"] == run.spend.tokens_in + run.spend.tokens_out
            assert calls["answered"] == len({k for k in self.paid if k[0] == run.run_id})
        [row] = await self.data.rows.fetch(DAYS, self.workers[0].run.user_id)
        assert row["spent"] == row["counted"]
        assert row["highest"] <= DAY_COST_MICRO_USD[Plan.FREE]


CALLS = """
SELECT
  coalesce(sum(cost_micro_usd), 0)::bigint AS cost,
  coalesce(sum(cost_reserved_micro_usd) FILTER (WHERE state = 'reserved'), 0)::bigint AS cost_held,
  coalesce(sum(tokens_reserved) FILTER (WHERE state = 'reserved'), 0)::bigint AS held,
  coalesce(sum(tokens_reserved) FILTER (WHERE state = 'lost'), 0)::bigint AS lost,
  coalesce(sum(tokens_in + tokens_out), 0)::bigint AS used,
  count(*) FILTER (WHERE state = 'answered') AS answered
FROM agents.llm_calls WHERE run_id = $1
"""
DAYS = """
SELECT
  coalesce((SELECT sum(cost_micro_usd + cost_reserved_micro_usd) FROM agents.runs
    WHERE user_id = $1), 0)::bigint AS spent,
  coalesce(sum(cost_micro_usd + cost_reserved_micro_usd), 0)::bigint AS counted,
  coalesce(max(cost_micro_usd + cost_reserved_micro_usd), 0)::bigint AS highest
FROM agents.spend_days WHERE user_id = $1
"""


@given(batches=st.lists(st.lists(ACTS, min_size=1, max_size=4), min_size=2, max_size=10))
@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # to shrink such a failure takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_spent_and_reserved_stay_below_all_ceilings_whatever_happens(
    data: AgentsData, batches: list[list[Act]]
) -> None:
    user_id = await data.add_user()
    runs = [await data.begin(user_id) for _ in range(3)]
    # Each run has two workers: one holds it, the other has lost it and does not know.
    chaos = Chaos(data, [*runs, *[await data.begin_again(held) for held in runs]])
    for acts in batches:
        # Calls of one run with one key are one after the other in a process, so here too.
        unique = {(act.worker % 3, act.key): act for act in acts}
        await asyncio.gather(*(chaos.act(act) for act in unique.values()))
        await chaos.check()
    for held in runs:
        newest = await data.begin_again(held)
        ended = await data.stores.runs.finish(*newest.key, Ending(state="failed"))
        assert (ended.tokens_reserved, ended.cost_reserved_micro_usd) == (0, 0)
    await chaos.check()


@dataclass
class TwoWorkers:
    """One run, the worker that has it, and the one that takes it from the first."""

    data: AgentsData
    old: HeldRun
    new: HeldRun | None = None
    answered: int = 0
    stale: int = 0

    async def act(self, worker: str, number: int) -> None:
        if worker == "new" and number == 0:
            self.new = await self.data.begin_again(self.old)
            return
        held = self.old if worker == "old" else self.new
        assert held is not None
        is_taken = worker == "old" and self.new is not None
        before = await self.data.get(held) if is_taken else None
        try:
            await self._write(held, number if worker == "old" else number - 1)
        except StaleRun:
            self.stale += 1
            return
        assert not is_taken, f"a stale worker has changed {before}"

    async def _write(self, held: HeldRun, number: int) -> None:
        ledger = self.data.stores.ledger
        if number == 0:
            await ledger.reserve(*held.key, "k", bound(100, 1_000))
        elif number == 1:
            await ledger.settle(*held.key, "k", answer(str(held.fence)))
        else:
            step = StepRecord(key="s", kind="plan", state="done", title=str(held.fence))
            await self.data.stores.steps.put(*held.key, step)

    async def check(self) -> None:
        assert self.new is not None
        run = await self.data.get(self.new)
        calls = await self.data.rows.fetch(
            "SELECT state, answer ->> 'text' AS text FROM agents.llm_calls"
            " WHERE run_id = $1 ORDER BY attempt",
            run.run_id,
        )
        states = [call["state"] for call in calls]
        assert states in (["answered"], ["lost", "answered"])
        assert run.spend.repeated_calls == states.count("lost")
        assert (run.spend.model_calls, run.tokens_lost) == (1, 100 * states.count("lost"))
        assert (run.tokens_reserved, run.spend.steps) == (0, 1)
        [step] = await self.data.stores.steps.list_of(run.run_id)
        assert step.title == str(self.new.fence), "the older worker's step came last"


@pytest.mark.slow
async def test_two_workers_of_a_run_lose_no_update_and_a_stale_one_changes_nothing(
    data: AgentsData,
) -> None:
    """Merge the acts of both in a thousand ways; acts of both that meet run at the same time."""
    rng = random.Random(7)  # noqa: S311  # an order, no secret
    user_id = await data.add_user()
    stale = 0
    for _ in range(INTERLEAVINGS):
        pair = TwoWorkers(data, await data.begin(user_id, Plan.ENTERPRISE))
        order = rng.sample(["old"] * 3 + ["new"] * 4, 7)
        acts = [(worker, order[:index].count(worker)) for index, worker in enumerate(order)]
        while acts:
            together = rng.random() < 0.5 and len(acts) > 1 and acts[0][0] != acts[1][0]
            now, acts = acts[: 1 + together], acts[1 + together :]
            await asyncio.gather(*(pair.act(*act) for act in now))
        await pair.check()
        stale += pair.stale
    assert stale > 0
