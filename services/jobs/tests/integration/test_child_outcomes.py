"""The service that submitted a child job receives how it ended, as often as it requests it."""

from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import (
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    Given,
    GivenRun,
    MakeResults,
    PickMessages,
    ReadTopic,
    ResultsHarness,
    RunCommands,
    RunTick,
    StartService,
    code_of,
)

from msaas.contracts import (
    CancelJob,
    DeadlinePassed,
    JobEnvelope,
    JobOutcome,
    JobStatus,
    Source,
    SubmitJob,
    WakeJob,
)
from msaas.jobs.adapters.postgres.republish import PostgresRepublish
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.child_outcomes import ChildOutcomes
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.messaging import Messenger
from msaas.postgres import Database


class Links:
    async def sign_download(self, job_id: UUID, fence: UUID, name: str, seconds: float) -> str:
        return f"https://files.example/{job_id}/{fence}/{name}?for={seconds:.0f}"


@pytest.fixture
def results(make_results: MakeResults) -> ResultsHarness:
    return make_results(links=Links())


async def child_of(given: Given, parent: GivenRun, rows: asyncpg.Connection) -> GivenRun:
    child = await given.child(parent)
    await rows.execute("UPDATE jobs.jobs SET source = 'agent' WHERE id = $1", child.job)
    return child


async def test_an_end_is_published_with_its_result_and_again_with_the_present_row(
    given: Given,
    results: ResultsHarness,
    pick_messages: PickMessages,
    rows: asyncpg.Connection,
) -> None:
    parent = await given.run()
    done, failed, stored, going = [await child_of(given, parent, rows) for _ in range(4)]
    reports = [
        done.succeeded(result={"message": "hi"}),
        failed.failed("navigation_failed", retryable=False),
        stored.succeeded(result=None, result_ref="result.json"),
        going.started(),
    ]
    first = await results.persist(*reports)
    outcomes = {each.job_id: each for each in pick_messages(first, JobOutcome)}
    assert outcomes.keys() == {done.job, failed.job, stored.job}
    assert all(each.parent_job_id == parent.job for each in outcomes.values())
    assert outcomes[done.job].result == {"message": "hi"}
    assert outcomes[failed.job].status is JobStatus.FAILED
    assert outcomes[failed.job].failure_reason == "navigation_failed"
    link = f"https://files.example/{stored.job}/{stored.fence}/result.json?for=3600"
    assert outcomes[stored.job].result_url == link
    again = await results.persist(*reports)
    assert {each.job_id: each for each in pick_messages(again, JobOutcome)} == outcomes
    ids = [
        [out.id for out in part if isinstance(out.message, JobOutcome)] for part in (first, again)
    ]
    assert sorted(ids[0], key=str) == sorted(ids[1], key=str)


async def test_only_children_of_workflows_are_published(
    given: Given, results: ResultsHarness, pick_messages: PickMessages
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    outgoing = await results.persist(child.succeeded(), parent.succeeded())
    assert pick_messages(outgoing, JobOutcome) == []


async def test_a_cancelled_parent_and_a_passed_deadline_publish_the_children_they_end(
    given: Given, run_commands: RunCommands, rows: asyncpg.Connection
) -> None:
    parent = await given.run()
    late, other = [await child_of(given, parent, rows) for _ in range(2)]
    await rows.execute(
        "UPDATE jobs.jobs SET deadline_at = now() - interval '1 s' WHERE id = $1", late.job
    )
    expired = await run_commands(DeadlinePassed(job_id=late.job, user_id=late.user))
    assert ends_of(expired) == {late.job: ("FAILED", "timeout")}
    cancelled = await run_commands(CancelJob(job_id=parent.job, user_id=parent.user))
    assert ends_of(cancelled) == {other.job: ("CANCELLED", "cancelled")}


async def test_the_end_of_a_workflow_that_waited_is_published_and_again_if_it_is_woken(
    given: Given, results: ResultsHarness, run_commands: RunCommands, rows: asyncpg.Connection
) -> None:
    workflow = await given.run()
    sql = "UPDATE jobs.jobs SET task_type = 'workflow.research' WHERE id = $1"
    await rows.execute(sql, workflow.job)
    await results.persist(workflow.waiting(uuid4(), until=None), workflow.started())
    end = {workflow.job: ("CANCELLED", "cancelled")}
    for command in (CancelJob, WakeJob):
        ended = await run_commands(command(job_id=workflow.job, user_id=workflow.user))
        assert ends_of(ended) == end


async def test_a_child_that_is_submitted_again_is_published_and_not_run_again(
    given: Given,
    results: ResultsHarness,
    run_commands: RunCommands,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    submit_job: BuildJob,
    rows: asyncpg.Connection,
) -> None:
    parent = await given.run()
    command = submit_child(submit_job, parent)
    assert (await run_commands(command)).child_outcomes == []
    await run_tick()
    [envelope] = workers.sent
    assert envelope.meta.source is Source.AGENT
    assert envelope.meta.parent_job_id == parent.job
    await results.persist(GivenRun(parent.user, command.job_id, envelope.fence).succeeded())
    repeated = await run_commands(command)
    assert ends_of(repeated) == {command.job_id: ("COMPLETED", None)}
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs") == 2
    await run_tick()
    assert len(workers.sent) == 1


async def test_a_child_needs_an_open_parent_of_the_same_user(
    given: Given, results: ResultsHarness, run_commands: RunCommands, submit_job: BuildJob
) -> None:
    parent, foreign_run = await given.run(), await given.run()
    refused = await run_commands(
        submit_child(submit_job, parent, parent_job_id=uuid4()),
        submit_child(submit_job, parent, parent_job_id=foreign_run.job),
    )
    assert [each.code for each in refused.outcomes] == ["not_found", "not_found"]
    await results.persist(parent.succeeded())
    [ended] = (await run_commands(submit_child(submit_job, parent))).outcomes
    assert ended.code == "conflict"


async def test_a_new_epoch_publishes_again_the_children_of_open_parents_only(
    given: Given,
    results: ResultsHarness,
    database: Database,
    workers: FakeWorkerQueue,
    messenger: Messenger,
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
) -> None:
    open_parent, ended_parent = await given.run(), await given.run()
    kept, _, going = (
        await child_of(given, open_parent, rows),
        await child_of(given, ended_parent, rows),
        await child_of(given, open_parent, rows),
    )
    await results.persist(open_parent.started(), kept.succeeded(), going.started())
    await results.persist(ended_parent.succeeded())
    store = PostgresStore(database, PostgresRepublish)
    republish = RepublishEvents(store, workers, messenger.publisher, ChildOutcomes(Links()))
    await republish("first")
    assert [message.job_id for message in await read_topic("jobs.outcomes")] == [kept.job]


async def test_an_answer_wakes_a_job_that_waits_for_it_at_once_and_no_other(
    given: Given, results: ResultsHarness, run_commands: RunCommands, rows: asyncpg.Connection
) -> None:
    asking, waiting = await given.run(), await given.run()
    soon = await rows.fetchval("SELECT now() + interval '1 hour'")
    await results.persist(asking.waiting(until=soon), waiting.waiting(until=soon))
    wake = WakeJob(job_id=asking.job, user_id=asking.user)
    await run_commands(wake, WakeJob(job_id=waiting.job, user_id=asking.user, answered=True))
    assert (await given.job(asking))["waiting_for"] == []
    await run_commands(wake.model_copy(update={"answered": True}))
    assert (await given.job(asking))["waiting_for"] is None
    assert (await given.job(waiting))["waiting_for"] == []


async def test_two_waiting_runs_of_a_free_user_leave_both_slots_to_their_children(
    run_commands: RunCommands,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    results: ResultsHarness,
    submit_job: BuildJob,
    user: UUID,
) -> None:
    """FREE runs two jobs at once: were waiting parents counted, no child would ever run."""
    await run_commands(*(submit_job(user) for _ in range(2)))
    await run_tick()
    parents = [GivenRun(user, each.job_id, each.fence) for each in workers.sent]
    children = [submit_child(submit_job, parent) for parent in parents for _ in range(2)]
    await run_commands(*children)
    await run_tick()
    assert len(workers.sent) == 2, "both slots are in use"
    for number, parent in enumerate(parents):
        ids = [child.job_id for child in children[2 * number : 2 * number + 2]]
        await results.persist(parent.started(), parent.waiting(*ids))
    ended: set[UUID] = set()
    while len(ended) < len(children):
        await run_tick()
        new = [run_of(each) for each in workers.sent[2:] if each.job_id not in ended]
        own = [run for run in new if run.job in {child.job_id for child in children}]
        assert 0 < len(own) <= 2
        await results.persist(*(run.succeeded() for run in own))
        ended |= {run.job for run in own}
    await run_tick()
    resumed = {each.job_id for each in workers.sent[2:]} - ended
    assert resumed == {parent.job for parent in parents}


async def test_a_refused_child_is_refused_by_the_same_quota_as_any_job(
    gateway: Gateway, start_service: StartService, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    parent = UUID((await gateway.submit(user)).data["job_id"])
    await rows.execute("UPDATE jobs.usage_counters SET jobs_limit = 1")
    await rows.execute(
        "UPDATE jobs.subjects SET overrides = jsonb_build_object('jobs_per_period', 1)"
    )
    refused = await gateway.submit(user, parent_job_id=parent, source=Source.AGENT)
    assert code_of(refused) == "quota_exceeded"


def submit_child(submit_job: BuildJob, parent: GivenRun, **fields: object) -> SubmitJob:
    values = {"parent_job_id": parent.job, "source": Source.AGENT, "job_id": uuid4()} | fields
    return submit_job(parent.user, **values)


def run_of(envelope: JobEnvelope) -> GivenRun:
    return GivenRun(envelope.meta.user_id, envelope.job_id, envelope.fence)


def ends_of(processed: ProcessedCommands) -> dict[UUID, tuple[str, str | None]]:
    outcomes = [cast("JobOutcome", each.message) for each in processed.child_outcomes]
    return {each.job_id: (each.status, each.failure_reason) for each in outcomes}
