"""Runs that wait for a person hold no slot, no task and no memory of a process."""

import asyncio
import gc
import sys
import time
from pathlib import Path

import pytest
from services.agents.tests.engine_support import Engine, running_agents
from services.agents.tests.support.no_memory import NoEmbedder, NoMemory
from services.agents.tests.support.two_calls import AllowAll, CountedModels, TwoCalls

from msaas.agents.application.orchestrator import Orchestrator
from msaas.agents.bootstrap import Parts
from msaas.contracts import Plan
from msaas.postgres import PostgresConfig
from msaas.testing import wait_until

WAITING = 1_000
RUNS_OF_OTHERS = 20
# As a run leaves its rows that waits for an answer.
JOBS = """
INSERT INTO jobs.jobs (id, user_id, task_type, status, payload, max_attempts, correlation_id,
  source, billable, waiting_for, wake_at, started_at)
SELECT gen_random_uuid(), $1, 'workflow.research', 'RUNNING', '{}', 3, 'c', 'api', false, '{}',
  now() + interval '1 day', now()
FROM generate_series(1, $2)
"""
RUNS = """
INSERT INTO agents.runs (id, user_id, workflow_type, plan, state, title, params, fence,
  graph_fingerprint, max_steps, max_tokens, max_cost_micro_usd, max_seconds, deadline_at, paused_at)
SELECT id, user_id, 'research', 'FREE', 'waiting', 'Which?', '{}', gen_random_uuid(), 'g', 20,
  60000, 250000, 900, now() + interval '1 day', now()
FROM jobs.jobs WHERE user_id = $1
"""
SLOTS = """
SELECT count(*) FROM jobs.jobs
WHERE finished_at IS NULL AND dispatched_at IS NOT NULL AND fence IS NOT NULL
"""


async def test_a_thousand_waiting_runs_leave_a_free_user_both_slots(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user_id = await engine.add_user()
    await engine.rows.execute(JOBS, user_id, WAITING)
    await engine.rows.execute(RUNS, user_id)
    parts = Parts(
        models=CountedModels(tmp_path / "bill"),
        embedder=NoEmbedder(),
        memory=NoMemory(),
        workflows=[TwoCalls()],
        policy=AllowAll,
    )
    async with running_agents(engine, parts):
        _, run_id = await engine.submit(user_id, plan=Plan.FREE)
        await engine.wait_for_state(run_id, "waiting")
        await engine.wait_for_question(run_id)
        await engine.wait_for_state(run_id, "waiting")
        others = [await engine.submit() for _ in range(RUNS_OF_OTHERS)]
        for _, other in others:
            await engine.wait_for_question(other)
            await engine.wait_for_state(other, "waiting")

        async def is_slot_free() -> bool:
            return await engine.rows.fetchval(SLOTS) == 0

        await wait_until(is_slot_free, timeout=90)  # until jobs has handled JobWaiting
        slots = await engine.rows.fetchval(SLOTS)
        gc.collect()
        kept = sum(isinstance(each, Orchestrator) for each in gc.get_objects())
        work = [task for task in asyncio.all_tasks() if task.get_name().startswith("work ")]
        began = time.monotonic()
        await engine.answer(user_id, run_id, colour="green")
        await engine.wait_for_state(run_id, "succeeded")
        seconds = time.monotonic() - began
        assert (await engine.wait_for_end(run_id))["status"] == "COMPLETED"
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {WAITING + 1 + RUNS_OF_OTHERS} runs wait: {slots} slots, {len(work)} tasks,"
            f" {kept} contexts in memory; from the answer to the end of the run: {seconds:.2f} s\n"
        )
    assert slots == 0
    assert not work
    assert kept <= PostgresConfig(engine.url).max_size, "an idle connection may keep one"
    waiting = "SELECT count(*) FROM agents.runs WHERE user_id = $1 AND state = 'waiting'"
    assert await engine.rows.fetchval(waiting, user_id) == WAITING
