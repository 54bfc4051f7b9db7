"""Which runs of a task that runs once share a claim: those of which one may act."""

from uuid import UUID, uuid4

import asyncpg
from services.jobs.tests.support import (
    BuildJob,
    FakeWorkerQueue,
    GivenRun,
    MakeResults,
    RunCommands,
    RunTick,
)

from msaas.contracts import JobEnvelope, LossReason, Plan, RetryJob

STEPS = {
    "task_type": "run_steps",
    "payload": {"url": "https://example.com", "steps": [{"action": "click", "selector": "a"}]},
    "plan": Plan.PRO,
}


async def test_a_repeated_dispatch_shares_the_claim_and_a_wait_or_a_retry_begins_another(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    make_results: MakeResults,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    results = make_results(once=["run_steps"])

    async def dispatch() -> tuple[JobEnvelope, GivenRun]:
        await run_tick()
        envelope = workers.sent[-1]
        return envelope, GivenRun(user, envelope.job_id, envelope.fence)

    await run_commands(submit_job(user, **STEPS))
    first, run = await dispatch()
    await results.persist(run.lost(LossReason.STALE))
    second, run = await dispatch()
    await results.persist(run.started(), run.waiting(uuid4()))
    third, run = await dispatch()
    await results.persist(run.started(), run.failed(retryable=False))
    await run_commands(RetryJob(job_id=first.job_id, user_id=user, retry_id=uuid4()))
    fourth, _ = await dispatch()
    claims = [envelope.meta.claim for envelope in (first, second, third, fourth)]
    assert len({envelope.fence for envelope in (first, second, third, fourth)}) == 4
    assert claims[0] == claims[1]
    assert len(set(claims)) == 3


async def test_a_task_that_may_run_again_has_no_claim(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
) -> None:
    await run_commands(submit_job(user))
    await run_tick()
    assert [envelope.meta.claim for envelope in workers.sent] == [None]
