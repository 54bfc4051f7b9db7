"""Searches of jobs on a real database: what they find, in pages, as the user who asks."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from services.gateway.tests.conftest import ApiUser, RunningGateway, SignIn

from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.application.ports import JobFilter
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.search_parser import parse_search

EXAMPLES: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[4] / "contracts/search/examples.json").read_text()
)
INSERT = """
INSERT INTO jobs.jobs (id, user_id, task_type, status, payload, max_attempts, attempts, priority,
  source, billable, created_at, run_at, started_at, finished_at, last_error, failure_reason,
  progress, correlation_id)
SELECT id, $1, task_type, status, '{}', 5, attempts, priority, source, billable, created_at, run_at,
  started_at, finished_at, last_error, failure_reason, progress, correlation_id
FROM jsonb_populate_record(NULL::jobs.jobs, $2)
"""


Insert = Callable[[ApiUser, Mapping[str, Any]], Awaitable[None]]


@pytest.fixture
def insert(rows: asyncpg.Connection) -> Insert:
    async def insert_job(user: ApiUser, job: Mapping[str, Any]) -> None:
        await rows.execute(INSERT, user.id, json.dumps(job))

    return insert_job


async def test_each_search_of_the_document_finds_what_it_says(
    gateway: RunningGateway, sign_in: SignIn, insert: Insert
) -> None:
    user = await sign_in()
    for job in EXAMPLES["jobs"].values():
        await insert(user, job)
    names = {job["id"]: name for name, job in EXAMPLES["jobs"].items()}
    views, now = PostgresJobViews(gateway.gateway.reads), datetime.fromisoformat(EXAMPLES["now"])
    found: dict[str, list[str]] = {}
    counted: dict[str, int] = {}
    for text in (example["text"] for example in EXAMPLES["searches"]):
        job_filter = JobFilter(search=parse_search(text), as_of=now)
        jobs = await views.list_jobs(user.id, job_filter, None, 100)
        found[text] = sorted(names[str(job["id"])] for job in jobs)
        counted[text] = sum((await views.count_jobs(user.id, job_filter)).values())
    expected = {each["text"]: sorted(each["finds"]) for each in EXAMPLES["searches"]}
    assert found == expected
    assert counted == {text: len(finds) for text, finds in expected.items()}


async def test_every_page_of_a_search_is_of_the_moment_of_the_first_page(
    sign_in: SignIn, insert: Insert
) -> None:
    user = await sign_in()
    for age in (timedelta(minutes=10), timedelta(minutes=70)):
        moment = (datetime.now(UTC) - age).isoformat()
        changes = {"id": str(uuid4()), "created_at": moment, "run_at": moment}
        await insert(user, {**EXAMPLES["jobs"]["queued"], **changes})
    first = await user.request("GET", "/jobs", params={"q": "age:<2h", "limit": 1})
    cursor = PageCursor.decode(first.json()["next_cursor"])
    assert cursor
    assert cursor.as_of
    earlier = cursor._replace(as_of=cursor.as_of - timedelta(minutes=20))
    found: list[int] = []
    for position in (cursor, earlier):
        query = {"q": "age:<1h", "cursor": position.encode()}
        found.append(len((await user.request("GET", "/jobs", params=query)).json()["items"]))
    assert found == [0, 1]


async def test_jobs_are_counted_by_status_and_those_of_others_are_not(
    sign_in: SignIn, insert: Insert
) -> None:
    user, other = await sign_in(), await sign_in()
    for job in EXAMPLES["jobs"].values():
        await insert(user, job)
    counts = await user.request("GET", "/jobs/counts", params={"q": "-status:failed"})
    by_status = {"PENDING": 1, "RUNNING": 1, "COMPLETED": 1, "FAILED": 0, "CANCELLED": 0}
    assert counts.json() == {"by_status": by_status, "total": 3}
    assert (await other.request("GET", "/jobs/counts")).json()["total"] == 0
    assert (await other.request("GET", "/jobs", params={"q": "echo"})).json()["items"] == []


async def test_a_text_that_is_no_search_is_refused_with_its_place(sign_in: SignIn) -> None:
    user = await sign_in()
    for path in ("/jobs", "/jobs/counts"):
        answer = await user.request("GET", path, params={"q": "status:broken"})
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["in"], error["pointer"], error["code"]) == ("query", "/q", "unknown_value")
        assert error["detail"].startswith("From character 7 to 13")
