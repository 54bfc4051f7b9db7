"""What a new user meets: a running fleet, a first job seen live, its result, and nobody else's."""

import asyncio
import random
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from msaas.dev.workspace import module_command
from msaas.kernel import new_id
from msaas.testing import wait_until

SUBMITTED = 40


def test_up_says_where_everything_is_and_how_to_get_in(fleet: Any) -> None:
    again = fleet.local("up", "--detach").stdout
    running = fleet.running
    for said in (running.gateway_url, running.email, running.password, "./msaas demo", "curl"):
        assert said in again
    assert fleet.is_up()


def test_the_demo_shows_a_job_from_submission_to_result(fleet: Any) -> None:
    shown = fleet.run(*module_command("msaas.cli"), "demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    words = [line.split()[-1] for line in shown.stdout.splitlines() if " s  " in line]
    seen = [word for word in words if word in {"PENDING", "RUNNING", "COMPLETED"}]
    assert seen == ["PENDING", "RUNNING", "COMPLETED"]
    assert '"text"' in shown.stdout


def test_seeding_again_adds_nothing(fleet: Any) -> None:
    def count() -> int:
        return len(
            asyncio.run(fleet.fetch("SELECT id FROM jobs.jobs WHERE idempotency_key IS NOT NULL"))
        )

    before = count()
    assert before > 0
    assert fleet.run(*module_command("msaas.cli"), "seed").returncode == 0
    assert count() == before


async def test_a_page_is_read_by_a_real_browser(fleet: Any, sign_in: Any) -> None:
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


@pytest.mark.leaves("tasks")  # httpx leaves its generators to the loop, which takes some turns
async def test_a_reader_that_comes_and_goes_sees_what_one_that_stays_sees(sign_in: Any) -> None:
    api = await sign_in()
    cursor = (await api.list_jobs())["stream_cursor"]
    rng = random.Random(7)  # noqa: S311  # when to leave, the same in each run

    async def read(stays: int) -> list[tuple[str, str, str]]:
        seen: list[tuple[str, str, str]] = []
        place = cursor
        while sum(status == "COMPLETED" for _, status, _ in seen) < SUBMITTED:
            left = rng.randint(1, stays)
            async with aclosing(api.events(place)) as events:
                async for event in events:
                    place = event.id or place
                    if event.name == "job":
                        job = event.data
                        seen.append((job["id"], job["status"], job["updated_at"]))
                        left -= 1
                    ended = sum(status == "COMPLETED" for _, status, _ in seen)
                    if left == 0 or ended == SUBMITTED:
                        break
        return seen

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        steady = group.create_task(read(10**6))
        fickle = group.create_task(read(9))
        jobs = [
            (await api.submit("echo", {"message": "", "delay_ms": 40}))["id"]
            for _ in range(SUBMITTED)
        ]
    everything, pieces = steady.result(), fickle.result()
    assert pieces == everything
    assert len(set(pieces)) == len(pieces)
    ends = {job: [status for one, status, _ in pieces if one == job] for job in jobs}
    # A start and an end that are settled together are one change.
    lives = {("PENDING", "RUNNING", "COMPLETED"), ("PENDING", "COMPLETED")}
    assert {tuple(life) for life in ends.values()} <= lives


async def test_a_hundred_submissions_under_one_key_are_one_job_and_without_a_hundred(
    fleet: Any, sign_in: Any, audit: Any
) -> None:
    api = await sign_in()
    key = uuid4().hex

    async def insist() -> str | None:
        body = {"task_type": "echo", "params": {"message": "same"}}
        answer = await api.request("POST", "/jobs", json=body, headers={"idempotency-key": key})
        assert answer.status_code in {202, 409}
        return answer.json()["id"] if answer.is_success else None

    same = await asyncio.gather(*(wait_until(insist) for _ in range(100)))
    assert len(set(same)) == 1
    others = await asyncio.gather(*(api.submit("echo", {"message": "other"}) for _ in range(100)))
    assert len({job["id"] for job in others}) == 100
    ids = [UUID(same[0]), *(UUID(job["id"]) for job in others)]
    found = await fleet.fetch("SELECT count(*) FROM jobs.jobs WHERE id = ANY($1)", ids)
    assert found[0][0] == 101
    await wait_until(fleet.has_settled, timeout=60)
    await audit()


@pytest.mark.parametrize("tail", ["", "/status", "/result", "/attempts", "/cancel"])
async def test_another_users_job_is_as_unknown_as_one_that_never_was(
    fleet: Any, sign_in: Any, tail: str
) -> None:
    owner, stranger = await sign_in(), await sign_in()
    job = await owner.submit("echo", {"message": "mine"})
    method = "POST" if tail == "/cancel" else "GET"
    answers = [
        await stranger.request(method, f"/jobs/{job_id}{tail}") for job_id in (job["id"], new_id())
    ]
    bodies = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    for body in bodies:
        del body["correlation_id"], body["instance"]
    assert bodies[0] == bodies[1]
    await wait_until(fleet.has_settled, timeout=60)
    assert (await owner.job(job["id"]))["status"] == "COMPLETED"
