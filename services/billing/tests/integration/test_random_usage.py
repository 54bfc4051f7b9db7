"""Random usage, late, doubled and taken back: the journal's sum is always the truth."""

import random
from uuid import UUID

import pytest
from services.billing.tests.metering_support import Ledger, Metering, build_metering
from services.billing.tests.support import Billing

from msaas.billing.domain.errors import CorrectionMustWait, UsageNotFound
from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import Plan

STEPS = 60
JOURNAL = """
SELECT coalesce(sum(quantity), 0)::bigint FROM (
  SELECT quantity FROM billing.usage_events
  WHERE subject_id = $1 AND kind = 'job_completed' AND plan <> 'FREE'
  UNION ALL
  SELECT quantity FROM billing.corrections
  WHERE subject_id = $1 AND means <> 'none' AND state = 'APPLIED'
) entries
"""


class History:
    """Drives one subject at random, and remembers what is true."""

    def __init__(self, metering: Metering, ledger: Ledger, rng: random.Random) -> None:
        self._metering = metering
        self._ledger = ledger
        self._rng = rng
        self._held_back: list[UsageEvent] = []
        self._voided: set[UUID] = set()

    async def step(self) -> None:
        act = self._rng.choice(
            [self._record, self._record, self._deliver, self._repeat, self._void, self._report]
        )
        await act()

    async def _record(self) -> None:
        plan = self._rng.choice([Plan.PRO, Plan.PRO, Plan.FREE])
        self._held_back.append(self._ledger.add(plan=plan, quantity=self._rng.randint(1, 9)))
        if self._rng.random() < 0.2:
            self._held_back.append(self._ledger.add(kind="plan_changed", quantity=0))

    async def _deliver(self) -> None:
        self._rng.shuffle(self._held_back)
        count = self._rng.randint(0, len(self._held_back))
        late, self._held_back = self._held_back[:count], self._held_back[count:]
        if late:
            await self._metering.take(late)

    async def _repeat(self) -> None:
        known = [event for event in self._ledger.events if event not in self._held_back]
        if known:
            await self._metering.take(self._rng.choices(known, k=3))

    async def _void(self) -> None:
        jobs = [event for event in self._ledger.events if event.job_id]
        if not jobs:
            return
        event = self._rng.choice(jobs)
        assert event.job_id is not None
        try:
            await self._metering.correct.record(event.job_id, "Taken back.")
        except (CorrectionMustWait, UsageNotFound):
            return
        if event.plan is not Plan.FREE:
            self._voided.add(event.job_id)

    async def _report(self) -> None:
        await self._metering.go_on(self._ledger)

    async def finish(self) -> int:
        """Deliver and report what is left, and return the units that are charged."""
        if self._held_back:
            await self._metering.take(self._held_back)
        for _ in range(3):
            await self._metering.go_on(self._ledger)
        return sum(
            event.quantity
            for event in self._ledger.events
            if event.job_id and event.plan is not Plan.FREE and event.job_id not in self._voided
        )


@pytest.mark.parametrize("seed", range(4))
async def test_the_sum_of_the_journal_is_the_truth_and_what_stripe_has(
    billing: Billing, seed: int
) -> None:
    metering = build_metering(billing)
    ledger = await metering.open_ledger()
    history = History(metering, ledger, random.Random(seed))  # noqa: S311  # an order, no secret
    for _ in range(STEPS):
        await history.step()
    truth = await history.finish()
    assert await billing.rows.fetchval(JOURNAL, ledger.subject_id) == truth
    assert (await metering.count_states(ledger)).get("REPORTED", 0) == truth
    assert await metering.read_stripe(ledger) == truth
