"""Bulk changes over HTTP: what is counted, what is sent to jobs, and what a repeat does."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from services.gateway.tests.conftest import ApiUser, FakeJobsService, SignIn

from msaas.contracts import ChangeJobs


async def change(user: ApiUser, key: str, **body: object) -> httpx.Response:
    headers = {"idempotency-key": key}
    return await user.request("POST", "/jobs/bulk", json=body, headers=headers)


async def test_a_bulk_change_is_what_its_search_finds(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    await fake_jobs.insert_job(other.id)
    ended: dict[str, Any] = {"finished_at": datetime(2026, 1, 1, tzinfo=UTC)}
    queued = [await fake_jobs.insert_job(user.id) for _ in range(3)]
    running = await fake_jobs.insert_job(user.id, status="RUNNING")
    failed = await fake_jobs.insert_job(user.id, status="FAILED", failure_reason="timeout", **ended)
    await fake_jobs.insert_job(user.id, status="COMPLETED", **ended)
    for number, (body, count, holds) in enumerate(
        [
            ({"action": "cancel", "q": ""}, 4, 0),
            ({"action": "cancel", "q": "status:failed"}, 0, 0),
            ({"action": "retry", "q": "reason:timeout"}, 1, 1),
            ({"action": "retry", "q": "-reason:timeout"}, 0, 0),
        ]
    ):
        counted = await change(user, f"dry-{number}", dry_run=True, **body)
        assert counted.status_code == 200
        assert counted.json() == {"count": count, "holds": holds, "limit": 5000}
    assert fake_jobs.commands == []

    begun = await change(user, "one", action="cancel", q="type:echo")
    again = await change(user, "one", action="cancel", q="type:echo")
    assert (begun.status_code, begun.json()) == (202, again.json())
    (command,) = fake_jobs.commands
    assert isinstance(command, ChangeJobs)
    assert set(command.job_ids) == {*queued, running}
    assert failed not in command.job_ids
    bulk_id = begun.json()["id"]
    await rows.execute(
        "UPDATE jobs.bulk_changes SET done = 4, finished_at = now(), changed_job_ids = $1",
        queued[:2],
    )
    read = await user.request("GET", begun.headers["location"].removeprefix("/api/v1"))
    assert (read.json()["done"], read.json()["changed"]) == (4, 2)
    found = await user.request("GET", "/jobs", params={"q": f"bulk:{bulk_id}"})
    assert {UUID(job["id"]) for job in found.json()["items"]} == set(queued[:2])
    foreign = await other.request("GET", "/jobs", params={"q": f"bulk:{bulk_id}"})
    assert foreign.json()["items"] == []
    nonsense = await user.request("GET", "/jobs", params={"q": "bulk:x"})
    assert nonsense.json()["items"] == []


async def test_a_bulk_change_with_a_bad_search_or_no_key_is_refused(sign_in: SignIn) -> None:
    user = await sign_in()
    refused = await change(user, "bad", action="cancel", q="colour:red")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/q", "unknown_key")
    body = {"action": "cancel", "q": ""}
    assert (await user.request("POST", "/jobs/bulk", json=body)).status_code == 400
