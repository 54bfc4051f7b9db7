"""A task that runs once: of several runs of its job only the first to claim it acts."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from worker_support import OpenWorker, ScriptedAction

from msaas.contracts import JobEnvelope, JobLost, JobSucceeded, LossReason, get_task
from msaas.testing import FakeJobsService, wait_until
from msaas.worker import RunContext

ONCE = {"echo": replace(get_task("echo"), once=True)}
JOB = uuid4()


class Effects:
    """What runs have done outside, counted; every run acts until all have been read."""

    def __init__(self) -> None:
        self.fences: list[UUID] = []
        self.may_end = asyncio.Event()

    async def act(self, run: RunContext) -> Any:
        self.fences.append(run.envelope.fence)
        await self.may_end.wait()
        return {"message": "done"}


async def list_outcomes(jobs_service: FakeJobsService, count: int) -> list[Any]:
    def outcomes() -> list[Any]:
        ended = [m for m in jobs_service.received if isinstance(m, JobSucceeded | JobLost)]
        return ended if len(ended) == count else []

    return await wait_until(outcomes)


async def send_twice(
    jobs_service: FakeJobsService,
    claims: tuple[str | None, str | None],
    *,
    same_fence: bool = False,
) -> list[JobEnvelope]:
    """Send two envelopes of one job, as after a loss that was none."""
    fence = uuid4()
    return [
        await jobs_service.send(
            job_id=JOB, fence=fence if same_fence else uuid4(), meta={"claim": claim}
        )
        for claim in claims
    ]


async def test_of_two_dispatches_of_a_job_one_acts_and_the_other_is_reported_as_lost(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    effects = Effects()
    for _ in range(2):
        open_worker(ScriptedAction(effects.act), slots=1, tasks=ONCE)
    sent = await send_twice(jobs_service, ("a.0", "a.0"))
    [lost] = await list_outcomes(jobs_service, 1)
    assert lost.reason is LossReason.RECLAIMED
    effects.may_end.set()
    _, succeeded = await list_outcomes(jobs_service, 2)
    assert effects.fences == [succeeded.fence]
    assert {succeeded.fence, lost.fence} == {envelope.fence for envelope in sent}


async def test_an_envelope_that_lies_on_the_topic_twice_acts_once(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    effects = Effects()
    for _ in range(2):
        open_worker(ScriptedAction(effects.act), slots=1, tasks=ONCE)
    await send_twice(jobs_service, ("a.0", "a.0"), same_fence=True)
    await list_outcomes(jobs_service, 1)
    effects.may_end.set()
    await list_outcomes(jobs_service, 2)
    assert len(effects.fences) == 1


async def test_a_run_after_a_wait_or_a_retry_has_a_claim_of_its_own(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    effects = Effects()
    effects.may_end.set()
    open_worker(ScriptedAction(effects.act), tasks=ONCE)
    await send_twice(jobs_service, ("a.0", "a.1"))
    await list_outcomes(jobs_service, 2)
    assert len(effects.fences) == 2


async def test_other_tasks_claim_nothing(
    jobs_service: FakeJobsService, open_worker: OpenWorker
) -> None:
    effects = Effects()
    effects.may_end.set()
    open_worker(ScriptedAction(effects.act))
    await send_twice(jobs_service, ("a.0", "a.0"))
    await list_outcomes(jobs_service, 2)
    assert len(effects.fences) == 2
