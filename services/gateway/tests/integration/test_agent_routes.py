"""Agent runs over real servers: who sees them, what they ask, and how they are followed live."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.gateway.tests.agent_rows import PASSAGE, QUOTE, TEXT, plant_run
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    RunningGateway,
    SignIn,
)
from services.gateway.tests.fake_agents import FakeAgentsService, build_frame, running_agents
from services.gateway.tests.integration.test_job_stream import FrameReader

from msaas.contracts import RunChanged, RunFinished
from msaas.testing import wait_until

QUESTION = {"question": "Which shop takes back chairs?", "seeds": ["https://shop.example/"]}


@pytest.fixture
def flag_defaults() -> Mapping[str, bool]:
    return {"FF_AGENTS_ENABLED": True}


@pytest_asyncio.fixture
async def agents(
    redis_url_for: Callable[[str], str], environment: str, rows: asyncpg.Connection
) -> AsyncIterator[FakeAgentsService]:
    async with running_agents(redis_url_for, environment, rows) as service:
        yield service


@asynccontextmanager
async def follow(
    user: ApiUser, run_id: UUID, last_event_id: str | None = None
) -> AsyncGenerator[FrameReader]:
    headers = user.headers | ({"last-event-id": last_event_id} if last_event_id else {})
    path = f"/api/v1/agents/runs/{run_id}/stream"
    async with user.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        yield FrameReader(answer)


async def test_a_run_is_a_job_that_is_shown_before_a_worker_begins_it(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    path, headers = "/agents/workflows/research/runs", {"idempotency-key": "once"}
    accepted = await user.request("POST", path, json=QUESTION, headers=headers)
    again = await user.request("POST", path, json=QUESTION, headers=headers)
    assert (accepted.status_code, again.json()) == (202, accepted.json())
    run_id = accepted.json()["id"]
    assert accepted.headers["location"] == f"/api/v1/agents/runs/{run_id}"
    [command] = fake_jobs.commands
    assert (command.task_type, command.payload) == ("workflow.research", QUESTION)
    run = (await user.request("GET", f"/agents/runs/{run_id}")).json()
    assert (run["state"], run["title"]) == ("queued", QUESTION["question"])
    assert (run["params"], run["result"], run["citations"]) == (QUESTION, None, [])
    assert run["ceilings"]["tokens"] == {"limit": None, "spent": 0, "held": 0, "left": None}
    [listed] = (await user.request("GET", "/agents/runs", params={"state": "queued"})).json()[
        "items"
    ]
    assert listed == {name: run[name] for name in listed}
    assert (await user.request("GET", f"/agents/runs/{run_id}/steps")).json()["items"] == []
    assert (await other.request("GET", f"/agents/runs/{run_id}")).status_code == 404
    ceilings = (await user.request("GET", "/agents/ceilings")).json()
    assert ceilings == {"steps": 20, "tokens": 60_000, "cost_micro_usd": 250_000, "seconds": 900}

    wrong = await user.request("POST", path, json={"seeds": ["nothing"], "more": 1})
    pointers = {error["pointer"] for error in wrong.json()["errors"]}
    assert wrong.status_code == 422
    assert {"/question", "/seeds/0", "/more"} <= pointers
    unknown = await user.request("POST", "/agents/workflows/research.x/runs", json=QUESTION)
    assert unknown.status_code == 422

    # The worker has died with the job: the job says how it is.
    await plant_run(rows, user.id, run_id=UUID(run_id))
    for status, state in (("FAILED", "failed"), ("CANCELLED", "cancelled")):
        await rows.execute(
            "UPDATE jobs.jobs SET status = $2, finished_at = now() WHERE id = $1",
            *(UUID(run_id), status),
        )
        assert (await user.request("GET", f"/agents/runs/{run_id}")).json()["state"] == state


async def test_runs_are_listed_in_pages_with_what_they_used_and_ask(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    planted = [await plant_run(rows, user.id, steps=()) for _ in range(2)]
    monitor = await plant_run(rows, user.id, workflow_type="monitor", state="waiting")
    await plant_run(rows, other.id)
    found, cursor = list[str](), None
    while True:
        page = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await user.request("GET", "/agents/runs", params=page)).json()
        found += [run["id"] for run in answer["items"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    assert found == [str(run.id) for run in (monitor, *reversed(planted))]
    for query in ({"type": "monitor"}, {"state": "waiting"}):
        [run] = (await user.request("GET", "/agents/runs", params=query)).json()["items"]
        assert run["id"] == str(monitor.id)
    assert run["open_approvals"] == 2
    assert run["ceilings"]["tokens"] == {
        "limit": 60_000, "spent": 1_000, "held": 2_000, "left": 57_000,
    }  # fmt: skip
    assert run["ceilings"]["cost_micro_usd"]["left"] == 250_000 - 9_400 - 1_000
    assert 0 <= run["ceilings"]["seconds"]["left"] <= 900 - 90

    steps = (
        await user.request("GET", f"/agents/runs/{monitor.id}/steps", params={"limit": 2})
    ).json()
    assert ([step["seq"] for step in steps["items"]], steps["next_after"]) == ([0, 1], 1)
    rest = await user.request("GET", f"/agents/runs/{monitor.id}/steps", params={"after": 1})
    assert [step["seq"] for step in rest.json()["items"]] == [2]


async def test_a_citation_opens_in_its_text_which_has_the_hash(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    run = await plant_run(rows, user.id)
    [citation] = (await user.request("GET", f"/agents/runs/{run.id}")).json()["citations"]
    span = {"start": citation["start"], "end": citation["end"]}
    near = (await user.request("GET", run.passage, params=span)).json()
    assert near["passage"] == citation["quote"] == QUOTE
    whole = (await user.request("GET", run.passage, params=span | {"whole": True})).json()
    text = whole["before"] + whole["passage"] + whole["after"]
    assert (text, whole["length"]) == (TEXT, len(TEXT))
    assert hashlib.sha256(text.encode()).hexdigest() == PASSAGE.sha256
    elsewhere = run.passage.replace(PASSAGE.sha256, "0" * 64)
    for path, place, status in (
        (run.passage, {"start": 9, "end": 8}, 422),
        (run.passage, {"start": 0, "end": len(TEXT) + 1}, 404),
        (elsewhere, span, 404),
        (run.passage.replace(str(run.id), str(uuid4())), span, 404),
    ):
        assert (await user.request("GET", path, params=place)).status_code == status
    assert (await other.request("GET", run.passage, params=span)).status_code == 404


async def test_a_person_decides_once_and_only_what_is_open(
    agents: FakeAgentsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    run = await plant_run(rows, user.id)
    approve, resume = f"/agents/runs/{run.id}/approve", f"/agents/runs/{run.id}/resume"
    yes = {"approval_id": str(run.approval_id), "approved": True, "note": "Go on"}
    answer = {"approval_id": str(run.question_id), "answer": {"size": "large"}}
    for body, field in (({"size": 7}, "/answer/size"), ({}, "/answer/size"), ({"x": 1}, "/answer")):
        wrong = await user.request("POST", resume, json=answer | {"answer": body})
        assert field in {error["pointer"] for error in wrong.json()["errors"]}
        assert wrong.status_code == 422
    mixed = (
        (approve, yes | {"approval_id": str(run.question_id)}, 409),
        (resume, answer | {"approval_id": str(run.approval_id)}, 409),
        (approve, yes | {"approval_id": str(uuid4())}, 404),
    )
    for path, body, status in mixed:
        assert (await user.request("POST", path, json=body)).status_code == status
    assert (await other.request("POST", approve, json=yes)).status_code == 404
    assert agents.commands == []

    first = await user.request("POST", approve, json=yes, headers={"idempotency-key": "k"})
    assert (first.status_code, first.json()["state"]) == (202, "approved")
    replayed = await user.request("POST", approve, json=yes, headers={"idempotency-key": "k"})
    assert (replayed.json(), len(agents.commands)) == (first.json(), 1)
    late = await user.request("POST", approve, json=yes | {"approved": False})
    assert late.json()["state"] == "approved"
    assert (await user.request("POST", resume, json=answer)).json()["state"] == "answered"
    listed = (await user.request("GET", f"/agents/runs/{run.id}/approvals")).json()["items"]
    assert {each["kind"]: (each["state"], each["answer"]) for each in listed} == {
        "approval": ("approved", None),
        "answer": ("answered", {"size": "large"}),
    }


async def test_a_run_is_followed_live_and_again_from_where_it_was_left(
    agents: FakeAgentsService, sign_in: SignIn, rows: asyncpg.Connection, gateway: RunningGateway
) -> None:
    user, other = await sign_in(), await sign_in()
    run, second = await plant_run(rows, user.id), await plant_run(rows, user.id, steps=())
    hub, parts = gateway.gateway.run_hub, [f"part {number} " for number in range(30)]
    await agents.publish_step(user.id, second.id, 0, "started")
    async with follow(user, run.id) as frames:
        assert (await frames.next())["event"] == "hello"
        await agents.publish(RunChanged(user_id=user.id, run=build_frame(run.id, "running", 2)))
        await agents.publish_step(other.id, uuid4(), 0, "started")
        await agents.publish_step(user.id, second.id, 1, "started")
        await agents.publish_step(user.id, run.id, 3, "started")
        await agents.publish_text(user.id, run.id, parts)
        shown = [await frames.skip_heartbeats() for _ in range(2 + len(parts))]
    assert [frame["event"] for frame in shown[:3]] == ["run", "step", "token"]
    assert all(str(second.id) not in frame["data"] for frame in shown)
    left_at, lost = shown[9]["id"], shown[10:]
    await agents.publish(RunFinished(user_id=user.id, run=build_frame(run.id, "succeeded", 3)))
    async with follow(user, run.id, left_at) as frames:
        assert (await frames.next())["event"] == "hello"
        assert [await frames.skip_heartbeats() for _ in lost] == lost
        assert (await frames.skip_heartbeats())["event"] == "finished"
    # A page that was loaded again has no position: it gets what is kept, from the beginning.
    async with follow(user, run.id) as frames:
        assert (await frames.next())["event"] == "hello"
        assert [await frames.skip_heartbeats() for _ in shown] == shown
    hub.reset()
    async with follow(user, run.id, left_at) as frames:
        assert [(await frames.next())["event"] for _ in range(2)] == ["hello", "resync"]
    path = f"/agents/runs/{run.id}/stream"
    assert (await other.request("GET", path)).status_code == 404
    await wait_until(lambda: hub.open_count == 0)


async def test_a_program_with_a_key_reads_runs_and_decides_nothing(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    run = await plant_run(rows, user.id)
    body = {"name": "k", "scopes": ["jobs:read", "jobs:write"]}
    key = (await user.request("POST", "/api-keys", json=body)).json()["key"]
    user.headers = {"authorization": f"Bearer {key}"}
    assert (await user.request("GET", f"/agents/runs/{run.id}")).status_code == 200
    yes = {"approval_id": str(run.approval_id), "approved": True}
    refused = await user.request("POST", f"/agents/runs/{run.id}/approve", json=yes)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
