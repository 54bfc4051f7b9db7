"""Batches of jobs, retries and timelines, on real servers."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from services.gateway.tests.conftest import FakeJobsService, FakeRefusal, SignIn

ECHO: dict[str, Any] = {"task_type": "echo", "params": {"message": "hello"}}
REFUSED: dict[str, Any] = {"task_type": "echo", "params": {"message": "refuse me"}}


async def test_each_job_of_a_batch_has_its_own_outcome(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    answer = await user.request("POST", "/jobs/batch", json={"jobs": [ECHO, REFUSED, ECHO]})
    assert answer.status_code == 202
    first, second, third = answer.json()["items"]
    [command] = fake_jobs.commands
    assert [item["ok"] for item in (first, second, third)] == [True, False, True]
    assert [item["job"]["id"] for item in (first, third)] == [
        str(command.jobs[0].job_id),
        str(command.jobs[2].job_id),
    ]
    assert (second["job"], second["problem"]["code"]) == (None, "quota_exceeded")
    assert (second["problem"]["status"], second["problem"]["limit"]) == (402, 100)


async def test_one_key_covers_a_batch_item_by_item(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    headers = {"idempotency-key": "k"}
    await user.request("POST", "/jobs/batch", json={"jobs": [ECHO, ECHO]}, headers=headers)
    [command] = fake_jobs.commands
    assert [(job.idempotency.key, job.idempotency.item) for job in command.jobs] == [
        ("k", 0),
        ("k", 1),
    ]


FAULTY: list[tuple[list[Any], str]] = [
    ([], "/jobs"),
    ([ECHO] * 101, "/jobs"),
    ([ECHO, {"task_type": "juggle", "params": {}}], "/jobs/1/task_type"),
    ([ECHO, ECHO | {"params": {"message": 1}}], "/jobs/1/params/message"),
    ([ECHO | {"params": {"massage": "x"}}], "/jobs/0/params/massage"),
]


@pytest.mark.parametrize(("jobs", "pointer"), FAULTY)
async def test_the_faults_of_a_batch_are_named_by_their_pointers(
    fake_jobs: FakeJobsService, sign_in: SignIn, jobs: list[Any], pointer: str
) -> None:
    user = await sign_in()
    answer = await user.request("POST", "/jobs/batch", json={"jobs": jobs})
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert fake_jobs.commands == []


async def test_a_failed_job_is_retried_by_its_owner(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    job_id = await fake_jobs.insert_job(user.id, status="FAILED", finished_at=datetime.now(UTC))
    answers = [await user.request("POST", f"/jobs/{job_id}/retry") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"id": str(job_id), "status": "PENDING"}] * 2
    first, second = fake_jobs.commands
    assert first.retry_id != second.retry_id


@pytest.mark.parametrize(
    ("code", "status"), [("quota_exceeded", 402), ("conflict", 409), ("not_found", 404)]
)
async def test_a_retry_that_the_owner_refuses_becomes_its_problem(
    fake_jobs: FakeJobsService, sign_in: SignIn, code: str, status: int
) -> None:
    user = await sign_in()
    used = {"limit": 1, "used": 1, "reserved": 0, "resets_at": "2030-01-01T00:00:00Z"}
    fake_jobs.refusal = FakeRefusal(code, **used, upgrade_url="/billing")
    answer = await user.request("POST", f"/jobs/{uuid4()}/retry")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_timeline_shows_a_job_from_its_submission_to_its_charge(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    job_id = await fake_jobs.insert_job(user.id, status="COMPLETED", finished_at=datetime.now(UTC))
    await rows.execute(RUN, job_id)
    await rows.execute(CHARGE, job_id, user.id)
    events = (await user.request("GET", f"/jobs/{job_id}/timeline")).json()["items"]
    kinds = [event["kind"] for event in events]
    assert set(kinds) == {
        *("submitted", "dispatched", "started", "step", "attempt_ended", "completed", "charged")
    }
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    [charge] = [event for event in events if event["kind"] == "charged"]
    assert charge["details"]["quantity"] == 1


async def test_the_timeline_of_another_users_job_is_not_found(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user, other = await sign_in(), await sign_in()
    job_id = await fake_jobs.insert_job(other.id)
    assert (await user.request("GET", f"/jobs/{job_id}/timeline")).status_code == 404


RUN = """
INSERT INTO jobs.job_attempts
  (job_id, fence, attempt, started_at, finished_at, outcome, timings_ms)
VALUES ($1, gen_random_uuid(), 0, now(), now(), 'succeeded', '{"goto": 12}')
"""
CHARGE = """
WITH subject AS (
  INSERT INTO jobs.subjects (subject_id, user_id, period_start, period_end)
  VALUES (gen_random_uuid(), $2, now(), now() + interval '1 month')
  RETURNING subject_id, head, now() AS at
)
INSERT INTO jobs.usage_events
  (subject_id, seq, user_id, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
SELECT subject_id, 1, $2, 'job_completed', 1, $1, at, at, head,
  jobs.usage_hash(subject_id, 1, $1, 1, at, head)
FROM subject
"""
