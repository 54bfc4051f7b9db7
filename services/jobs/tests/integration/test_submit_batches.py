"""Many jobs in one command: one transaction, and one outcome for each."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
from services.jobs.tests.support import RunCommands

from msaas.contracts import Idempotency, JobItem, Plan, Source, SubmitJobs
from msaas.jobs.application.command_batch import CommandOutcome
from msaas.jobs.application.process_commands import ProcessedCommands


def build_batch(user: UUID, count: int = 3) -> SubmitJobs:
    items = [
        JobItem(job_id=uuid4(), task_type="echo", payload={"message": str(number)})
        for number in range(count)
    ]
    return SubmitJobs(user_id=user, plan=Plan.FREE, source=Source.API, jobs=tuple(items))


def items_of(processed: ProcessedCommands) -> list[dict[str, Any]]:
    [transition] = processed.outcomes
    assert isinstance(transition, CommandOutcome)
    return [dict(item) for item in transition.reply["items"]]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType, reportUnknownArgumentType]  # what is answered is anything


async def test_all_jobs_of_a_batch_are_accepted_in_one_transaction(
    run_commands: RunCommands, user: UUID, rows: asyncpg.Connection
) -> None:
    batch = build_batch(user, 100)
    processed = await run_commands(batch)
    assert [item["job_id"] for item in items_of(processed)] == [job.job_id for job in batch.jobs]
    assert all(item["ok"] for item in items_of(processed))
    assert await rows.fetchval("SELECT count(DISTINCT xmin::text) FROM jobs.jobs") == 1
    assert len(processed.snapshots) == 100


async def test_a_refused_job_blocks_no_other_and_has_a_reason(
    run_commands: RunCommands, user: UUID, rows: asyncpg.Connection
) -> None:
    batch = build_batch(user)
    first, second, third = batch.jobs
    odd = second.model_copy(update={"task_type": "juggle"})
    processed = await run_commands(batch.model_copy(update={"jobs": (first, odd, third)}))
    items = items_of(processed)
    assert [item["ok"] for item in items] == [True, False, True]
    assert items[1]["problem"]["code"] == "validation_failed"
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 2


async def test_a_batch_over_the_limit_is_accepted_up_to_the_limit(
    run_commands: RunCommands, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(build_batch(user, 98))
    items = items_of(await run_commands(build_batch(user, 5)))
    assert [item["ok"] for item in items] == [True, True, False, False, False]
    assert items[2]["problem"]["context"]["limit"] == 100
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 100


async def test_a_repeated_batch_inserts_nothing_and_is_answered_alike(
    run_commands: RunCommands, user: UUID, rows: asyncpg.Connection
) -> None:
    batch = build_batch(user)
    assert items_of(await run_commands(batch)) == items_of(await run_commands(batch))
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 3


async def test_a_key_stands_for_each_item_by_itself(
    run_commands: RunCommands, user: UUID, rows: asyncpg.Connection
) -> None:
    def keyed() -> SubmitJobs:
        batch = build_batch(user)
        items = tuple(
            one.model_copy(
                update={"idempotency": Idempotency(key="k", item=n, fingerprint=f"{n}" * 64)}
            )
            for n, one in enumerate(batch.jobs)
        )
        return batch.model_copy(update={"jobs": items})

    first, second = items_of(await run_commands(keyed())), items_of(await run_commands(keyed()))
    assert [item["job_id"] for item in first] == [its_second["job_id"] for its_second in second]
    assert [its_second["replayed"] for its_second in second] == [True] * 3
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 3
