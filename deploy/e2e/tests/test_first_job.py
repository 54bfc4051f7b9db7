"""A new user's first steps: the fleet, the demo, a first job, and the isolation of users."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from uuid import UUID, uuid4

import httpx
import pytest

from msaas.dev.chaos import IsolatedFleet
from msaas.dev.workspace import module_command
from msaas.kernel import new_id
from msaas.local.api_client import ApiClient
from msaas.testing import wait_until

SignIn = Callable[..., Awaitable[ApiClient]]
Audit = Callable[[], Awaitable[None]]
SUBMITTED = 40


def test_up_prints_addresses_and_credentials(fleet: IsolatedFleet) -> None:
    again = fleet.local("up", "--detach").stdout
    running = fleet.running
    for expected in (running.gateway_url, running.email, running.password, "./msaas demo", "curl"):
        assert expected in again
    assert fleet.is_up()


def test_the_demo_shows_a_job_from_submission_to_result(fleet: IsolatedFleet) -> None:
    shown = fleet.run(*module_command("msaas.cli"), "demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    last_columns = [line.split()[-1] for line in shown.stdout.splitlines() if " s  " in line]
    seen = [column for column in last_columns if column in {"PENDING", "RUNNING", "COMPLETED"}]
    assert seen == ["PENDING", "RUNNING", "COMPLETED"]
    assert '"text"' in shown.stdout


def test_the_demo_of_agents_cites_what_is_literally_in_the_pages(fleet: IsolatedFleet) -> None:
    shown = fleet.run(*module_command("msaas.cli"), "demo", "agent")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "is called *occulting*" in shown.stdout
    assert "ok: 1 citations" in shown.stdout


def test_a_stack_is_verified_from_the_edge_to_a_finished_job(fleet: IsolatedFleet) -> None:
    running = fleet.running
    address = [running.gateway_url, "--supabase-url", running.supabase_url]
    command = [*module_command("msaas.cli"), "verify"]
    edge = fleet.run(*command, running.gateway_url)
    assert edge.returncode == 0, edge.stderr
    assert "not signed in" in edge.stdout
    credentials = {
        "MSAAS_VERIFY_EMAIL": running.email,
        "MSAAS_VERIFY_PASSWORD": running.password,
        "SUPABASE_ANON_KEY": running.anon_key,
    }
    whole = fleet.run(*command, *address, **credentials)
    assert whole.returncode == 0, whole.stderr
    assert "COMPLETED" in whole.stdout
    other = fleet.run(*command, running.supabase_url)
    assert other.returncode == 1
    assert "The edge answered" in other.stderr


def test_seeding_again_adds_nothing(fleet: IsolatedFleet) -> None:
    def count() -> int:
        return len(
            asyncio.run(fleet.fetch("SELECT id FROM jobs.jobs WHERE idempotency_key IS NOT NULL"))
        )

    before = count()
    assert before > 0
    assert fleet.run(*module_command("msaas.cli"), "seed").returncode == 0
    assert count() == before


async def test_a_browser_extracts_the_text_of_a_page(fleet: IsolatedFleet, sign_in: SignIn) -> None:
    api = await sign_in("FREE")
    cursor = (await api.list_jobs())["stream_cursor"]
    params = {"url": f"{fleet.running.site_url}/article", "selector": "h1"}
    job = await api.submit("navigate_and_extract_text", params)
    seen = [
        event.data["status"] async for event in api.watch(job["id"], cursor) if event.name == "job"
    ]
    assert seen == ["PENDING", "RUNNING", "COMPLETED"]
    result = (await api.result(job["id"]))["result"]
    assert result["status"] == httpx.codes.OK
    assert result["title"]
    assert result["text"].strip()
    me = await api.me()
    assert me["usage"]["jobs_used"] == 1


@pytest.mark.leaves("tasks")  # httpx generators end a few loop iterations later
async def test_a_client_that_reconnects_receives_the_same_events(sign_in: SignIn) -> None:
    api = await sign_in()
    cursor = (await api.list_jobs())["stream_cursor"]
    rng = random.Random(7)  # noqa: S311  # a seed, so that each run reconnects at the same events

    async def read(max_events: int) -> list[tuple[str, str, str]]:
        seen: list[tuple[str, str, str]] = []
        position = cursor
        while sum(status == "COMPLETED" for _, status, _ in seen) < SUBMITTED:
            remaining = rng.randint(1, max_events)
            async with aclosing(api.events(position)) as events:
                async for event in events:
                    position = event.id or position
                    if event.name == "job":
                        job = event.data
                        seen.append((job["id"], job["status"], job["updated_at"]))
                        remaining -= 1
                    ended = sum(status == "COMPLETED" for _, status, _ in seen)
                    if remaining == 0 or ended == SUBMITTED:
                        break
        return seen

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        connected = group.create_task(read(10**6))
        reconnecting = group.create_task(read(9))
        jobs = [
            (await api.submit("echo", {"message": "", "delay_ms": 40}))["id"]
            for _ in range(SUBMITTED)
        ]
    expected, received = connected.result(), reconnecting.result()
    assert received == expected
    assert len(set(received)) == len(received)
    statuses = {job: [status for id_, status, _ in received if id_ == job] for job in jobs}
    # A start and an end that are committed together are one change.
    sequences = {("PENDING", "RUNNING", "COMPLETED"), ("PENDING", "COMPLETED")}
    assert {tuple(sequence) for sequence in statuses.values()} <= sequences


async def test_an_idempotency_key_makes_one_job_of_a_hundred_submissions(
    fleet: IsolatedFleet, sign_in: SignIn, audit: Audit
) -> None:
    api = await sign_in()
    key = uuid4().hex

    async def submit_until_accepted() -> str | None:
        body = {"task_type": "echo", "params": {"message": "same"}}
        response = await api.request("POST", "/jobs", json=body, headers={"idempotency-key": key})
        assert response.status_code in {202, 409}
        return response.json()["id"] if response.is_success else None

    same = await asyncio.gather(*(wait_until(submit_until_accepted) for _ in range(100)))
    assert len(set(same)) == 1
    others = await asyncio.gather(*(api.submit("echo", {"message": "other"}) for _ in range(100)))
    assert len({job["id"] for job in others}) == 100
    ids = [UUID(same[0]), *(UUID(job["id"]) for job in others)]
    found = await fleet.fetch("SELECT count(*) FROM jobs.jobs WHERE id = ANY($1)", ids)
    assert found[0][0] == 101
    await wait_until(fleet.has_settled, timeout=60)
    await audit()


@pytest.mark.parametrize("tail", ["", "/status", "/result", "/attempts", "/cancel"])
async def test_another_users_job_looks_like_one_that_does_not_exist(
    fleet: IsolatedFleet, sign_in: SignIn, tail: str
) -> None:
    owner, other_user = await sign_in(), await sign_in()
    job = await owner.submit("echo", {"message": "mine"})
    method = "POST" if tail == "/cancel" else "GET"
    responses = [
        await other_user.request(method, f"/jobs/{job_id}{tail}")
        for job_id in (job["id"], new_id())
    ]
    bodies = [response.json() for response in responses]
    assert [response.status_code for response in responses] == [404, 404]
    for body in bodies:
        del body["correlation_id"], body["instance"]
    assert bodies[0] == bodies[1]
    await wait_until(fleet.has_settled, timeout=60)
    assert (await owner.job(job["id"]))["status"] == "COMPLETED"
