"""Users and runs on a real database, as tests of the stores need them."""

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import asyncpg

from msaas.agents.adapters.postgres.stores import Stores
from msaas.agents.domain.ceilings import limit_run
from msaas.agents.domain.effects import CallBound
from msaas.agents.domain.models import ModelAnswer, TokenUsage
from msaas.agents.domain.runs import NewRun, StoredRun
from msaas.contracts import Ceilings, Plan
from msaas.kernel import new_id


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run and the fence that holds it."""

    run: StoredRun
    fence: UUID

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.run.run_id, self.fence


@dataclass(frozen=True, slots=True)
class AgentsData:
    stores: Stores
    rows: asyncpg.Connection

    async def add_user(self) -> UUID:
        user_id = uuid4()
        sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
        await self.rows.execute(sql, user_id, f"{user_id}@example.com")
        return user_id

    async def begin(
        self, user_id: UUID | None = None, plan: Plan = Plan.FREE, requested: Ceilings | None = None
    ) -> HeldRun:
        user_id = user_id or await self.add_user()
        new, fence = build_run(user_id, plan, requested), new_id()
        return HeldRun(await self.stores.runs.begin(new, fence), fence)

    async def begin_again(self, held: HeldRun) -> HeldRun:
        """Continue a run as another worker, after the first has died."""
        new, fence = replace(build_run(held.run.user_id), run_id=held.run.run_id), new_id()
        return HeldRun(await self.stores.runs.begin(new, fence), fence)

    async def get(self, held: HeldRun) -> StoredRun:
        run = await self.stores.runs.find(held.run.run_id)
        assert run is not None
        return run


def build_run(user_id: UUID, plan: Plan = Plan.FREE, requested: Ceilings | None = None) -> NewRun:
    return NewRun(
        run_id=new_id(),
        user_id=user_id,
        workflow_type="research",
        plan=plan,
        title="What does it cost?",
        params={"question": "What does it cost?"},
        graph_fingerprint="g1",
        ceilings=limit_run(plan, requested or Ceilings()),
    )


def bound(tokens: int = 100, cost: int = 1_000) -> CallBound:
    return CallBound(purpose="write", tokens=tokens, cost_micro_usd=cost)


def answer(
    text: str = "yes", tokens_in: int = 10, tokens_out: int = 5, cost: int = 7
) -> ModelAnswer:
    return ModelAnswer(
        text=text,
        usage=TokenUsage(tokens_in=tokens_in, tokens_out=tokens_out),
        cost_micro_usd=cost,
        provider="scripted",
        model="m1",
    )
