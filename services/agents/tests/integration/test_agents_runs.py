"""Runs, their steps, questions and tool calls on a real database."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from services.agents.tests.stores_support import AgentsData, HeldRun, answer, bound, build_run

from msaas.agents.domain.effects import NewApproval, NewToolCall, StepRecord
from msaas.agents.domain.errors import (
    ApprovalClosed,
    ApprovalNotFound,
    CeilingReached,
    RunNotFound,
    StaleRun,
)
from msaas.agents.domain.runs import Ending, NewRun, StoredRun
from msaas.contracts import Ceilings, RunChanged, RunFinished, RunStep
from msaas.kernel import new_id

PARTIAL = Ending(state="succeeded", answer={"answer": "so far\0"}, partial_reason="tokens")


async def test_a_newer_fence_takes_the_run_and_the_older_one_changes_nothing(
    data: AgentsData,
) -> None:
    first = await data.begin()
    second = await data.begin_again(first)
    before = await data.get(first)
    stores, old = data.stores, first.key
    question = build_question()
    step = StepRecord(key="a", kind="plan", state="started", title="Plan")
    for attempt in (
        stores.runs.suspend(*old),
        stores.runs.finish(*old, PARTIAL),
        stores.ledger.reserve(*old, "a", bound()),
        stores.ledger.settle(*old, "a", answer()),
        stores.tools.open(*old, [NewToolCall(call_key="t", task_type="echo", arguments={})]),
        stores.approvals.open(*old, question),
        stores.steps.put(*old, step),
        stores.documents.store_sighting(*old, "prices", "0" * 64),
        stores.runs.begin(build_again(first), first.fence),
    ):
        with pytest.raises(StaleRun):
            await attempt
    assert await data.get(first) == before
    assert (await stores.runs.suspend(*second.key)).state == "waiting"


def build_again(held: HeldRun) -> NewRun:
    return replace(build_run(held.run.user_id), run_id=held.run.run_id)


def build_question(expires_in: timedelta = timedelta(days=1), key: str = "q") -> NewApproval:
    return NewApproval(
        call_key=key,
        kind="approval",
        title="May I?",
        text="Open another host",
        form={"type": "object"},
        expires_at=datetime.now(UTC) + expires_in,
    )


async def test_an_ended_run_is_returned_to_be_reported_again(data: AgentsData) -> None:
    held = await data.begin()
    await data.stores.ledger.reserve(*held.key, "out", bound(100, 1_000))
    ended = await data.stores.runs.finish(*held.key, PARTIAL)
    assert (ended.state, ended.answer, ended.partial_reason) == (
        "succeeded",
        {"answer": "so far\ufffd"},
        "tokens",
    )
    # The call that was out may have been paid.
    assert (ended.tokens_lost, ended.spend.cost_micro_usd) == (100, 1_000)
    assert (ended.tokens_reserved, ended.cost_reserved_micro_usd) == (0, 0)
    again = await data.begin_again(held)
    assert again.run == ended
    with pytest.raises(StaleRun):
        await data.stores.runs.finish(*again.key, PARTIAL)


@pytest.mark.parametrize("waits", [True, False])
async def test_jobs_ends_a_run_without_its_fence(data: AgentsData, *, waits: bool) -> None:
    held = await data.begin()
    run_id = held.run.run_id
    if waits:
        await data.stores.runs.suspend(*held.key)
    assert [run.run_id for run in await list_open(data) if run.run_id == run_id] == [run_id]
    ended = await data.stores.runs.finish(run_id, None, Ending(state="cancelled"))
    assert ended.state == "cancelled"
    assert run_id not in {run.run_id for run in await list_open(data)}
    with pytest.raises(StaleRun):
        await data.stores.runs.finish(run_id, None, Ending(state="failed"))


async def list_open(data: AgentsData) -> Sequence[StoredRun]:
    return await data.stores.runs.list_open(None, 10_000)


async def test_a_run_of_another_or_a_missing_user_does_not_begin(data: AgentsData) -> None:
    held = await data.begin()
    other = build_again(held)
    with pytest.raises(RunNotFound):
        await data.stores.runs.begin(replace(other, user_id=await data.add_user()), new_id())
    with pytest.raises(RunNotFound):
        await data.stores.runs.begin(build_run(uuid4()), new_id())


async def test_time_that_a_person_takes_does_not_count(data: AgentsData) -> None:
    held = await data.begin(requested=Ceilings(seconds=60))
    waiting = await data.stores.runs.suspend(*held.key, for_person=True)
    await data.rows.execute(
        "UPDATE agents.runs SET deadline_at = deadline_at - interval '1 hour',"
        " paused_at = paused_at - interval '1 hour' WHERE id = $1",
        held.run.run_id,
    )
    again = await data.begin_again(held)
    assert again.run.deadline_at >= waiting.deadline_at
    await data.stores.runs.suspend(*again.key)
    await data.rows.execute(
        "UPDATE agents.runs SET deadline_at = deadline_at - interval '1 hour' WHERE id = $1",
        held.run.run_id,
    )
    late = await data.begin_again(again)
    with pytest.raises(CeilingReached) as reached:
        await data.stores.ledger.reserve(*late.key, "a", bound())
    assert reached.value.ceiling == "seconds"


async def test_steps_are_numbered_once_and_their_ceiling_holds(data: AgentsData) -> None:
    held = await data.begin(requested=Ceilings(steps=2))
    put = data.stores.steps.put
    first = await put(*held.key, StepRecord(key="a", kind="plan", state="started", title="P\0lan"))
    assert (first.seq, first.title, first.finished_at) == (1, "Plan", None)
    await put(*held.key, StepRecord(key="b", kind="read", state="started", title="Read"))
    done = await put(
        *held.key, StepRecord(key="a", kind="plan", state="done", title="Plan", tokens=9)
    )
    assert (done.seq, done.tokens, done.finished_at is not None) == (1, 9, True)
    with pytest.raises(CeilingReached) as reached:
        await put(*held.key, StepRecord(key="c", kind="read", state="started", title="More"))
    assert reached.value.ceiling == "steps"
    assert [step.seq for step in await data.stores.steps.list_of(held.run.run_id)] == [1, 2]
    assert (await data.get(held)).spend.steps == 2


async def test_tool_calls_are_stored_once_and_their_first_outcome_counts(data: AgentsData) -> None:
    held = await data.begin()
    calls = [
        NewToolCall(call_key=key, task_type="extract_markdown", arguments={"url": key})
        for key in ("b", "a")
    ]
    opened = await data.stores.tools.open(*held.key, calls)
    assert [call.call_key for call in opened] == ["b", "a"]
    again = await data.begin_again(held)
    assert await data.stores.tools.open(*again.key, calls) == opened
    child = opened[0].child_job_id
    user_id, run_id = held.run.user_id, held.run.run_id
    assert await data.stores.tools.store_outcome(child, uuid4(), {"n": 0}) is None
    assert await data.stores.tools.store_outcome(child, user_id, {"n": 1}) == run_id
    assert await data.stores.tools.store_outcome(child, user_id, {"n": 2}) == run_id
    outcomes = {call.call_key: call.outcome for call in await data.stores.tools.list_of(run_id)}
    assert outcomes == {"b": {"n": 1}, "a": None}
    assert (await data.get(held)).spend.child_jobs == 2


async def test_the_first_decision_counts(data: AgentsData) -> None:
    held = await data.begin()
    approvals, user_id = data.stores.approvals, held.run.user_id
    requested = await approvals.open(*held.key, build_question())
    assert requested.state == "open"
    with pytest.raises(ApprovalNotFound):
        await approvals.decide(requested.id, uuid4(), "approved")
    with pytest.raises(ApprovalClosed):
        await approvals.decide(requested.id, user_id, "answered", {"yes": True})
    decided = await asyncio.gather(
        *(approvals.decide(requested.id, user_id, state) for state in ("approved", "denied") * 3)
    )
    assert len({each.state for each in decided}) == 1
    again = await data.begin_again(held)
    assert await approvals.open(*again.key, build_question()) == decided[0]
    assert await approvals.find(requested.id, user_id) == decided[0]


async def test_a_question_expires_with_its_time_or_its_run(data: AgentsData) -> None:
    held = await data.begin()
    approvals, user_id = data.stores.approvals, held.run.user_id
    late = await approvals.open(*held.key, build_question(timedelta(seconds=-1), "late"))
    assert late.state == "expired"
    open_still = await approvals.open(*held.key, build_question())
    await data.stores.runs.finish(*held.key, Ending(state="failed", failure_reason="timeout"))
    for approval_id in (late.id, open_still.id):
        with pytest.raises(ApprovalClosed):
            await approvals.decide(approval_id, user_id, "approved")


async def test_frames_are_read_in_order_by_one_publisher_at_a_time(data: AgentsData) -> None:
    await data.rows.execute("DELETE FROM agents.frame_outbox")
    frames, put = data.stores.frames, data.stores.steps.put
    held, other = await data.begin(), await data.begin()
    await put(*held.key, StepRecord(key="a", kind="plan", state="started", title="Plan"))
    claimed = await frames.claim(100)
    assert [type(frame.message) for frame in claimed] == [RunChanged, RunChanged, RunStep]
    # While they are being published their runs are that publisher's, also in what comes later.
    await put(*held.key, StepRecord(key="a", kind="plan", state="done", title="Plan"))
    await put(*held.key, StepRecord(key="b", kind="read", state="started", title="Read"))
    assert list(await frames.claim(100)) == []
    await frames.delete(claimed)
    rest = await frames.claim(100)
    assert [show(frame.message) for frame in rest] == [("a", "done"), "running", ("b", "started")]
    await frames.delete(rest)
    for _ in range(30):
        await put(*held.key, StepRecord(key="b", kind="read", state="waiting", title="Read"))
    await data.stores.runs.finish(*held.key, Ending(state="succeeded"))
    last = await frames.claim(100)
    assert [show(frame.message) for frame in last] == [("b", "waiting"), "succeeded"]
    assert isinstance(last[-1].message, RunFinished)
    await frames.delete(last)
    assert await data.rows.fetchval("SELECT count(*) FROM agents.frame_outbox") == 0
    assert (await data.get(other)).state == "running"


def show(message: object) -> object:
    if isinstance(message, RunStep):
        return ("abc"[message.step.seq - 1], message.step.state)
    assert isinstance(message, RunChanged | RunFinished)
    return message.run.state
