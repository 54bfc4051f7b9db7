"""Where a run may put its files, and whose files are the job's in the end."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from services.jobs.tests.support import (
    BuildJob,
    FakeWorkerQueue,
    Given,
    ResultsHarness,
    RunCommands,
    RunTick,
)

from msaas.contracts import LossReason


class Links:
    """Returns a link that names what was requested."""

    async def sign_uploads(
        self, job_id: UUID, fence: UUID, names: Sequence[str], seconds: float
    ) -> Mapping[str, str]:
        return {name: f"http://files.test/{job_id}/{fence}/{name}?for={seconds}" for name in names}


async def test_an_envelope_has_a_link_for_each_file_that_its_run_may_keep(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
) -> None:
    page = {"task_type": "render_pdf", "payload": {"url": "https://example.com"}}
    await run_commands(submit_job(user, **page), submit_job(user))
    await run_tick(links=Links())
    by_task = {sent.task_type: sent for sent in workers.sent}
    envelope = by_task["render_pdf"]
    folder = f"http://files.test/{envelope.job_id}/{envelope.fence}"
    assert envelope.meta.uploads == {
        "result.json": f"{folder}/result.json?for=600.0",
        "page.pdf": f"{folder}/page.pdf?for=600.0",
    }
    assert by_task["echo"].meta.uploads == {}


async def test_the_run_that_ends_a_job_is_the_one_whose_files_count(
    given: Given, results: ResultsHarness
) -> None:
    first = await given.run()
    await results.persist(first.started())
    second = await given.next_run(first)
    await results.persist(second.started())
    assert (await given.job(first))["decided_by_fence"] is None
    await results.persist(first.succeeded())
    assert (await given.job(first))["decided_by_fence"] == first.fence
    await results.persist(second.succeeded())
    assert (await given.job(first))["decided_by_fence"] == first.fence


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_failure_keeps_its_files_when_it_is_the_last(
    given: Given, results: ResultsHarness, *, retryable: bool
) -> None:
    run = await given.run()
    await results.persist(run.failed(retryable=retryable))
    expected = None if retryable else run.fence
    assert (await given.job(run))["decided_by_fence"] == expected


async def test_a_loss_leaves_nothing_that_counts(given: Given, results: ResultsHarness) -> None:
    run = await given.run()
    await results.persist(run.started())
    await results.persist(run.lost(LossReason.RECLAIMED))
    assert (await given.job(run))["decided_by_fence"] is None
