"""A tutorial of the gateway, one idea per test."""

import json

from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    FakeRefusal,
    RunningGateway,
    SignIn,
)

from msaas.contracts import SubmitJob
from msaas.testing import wait_until


async def test_a_token_of_the_issuer_identifies_the_user(sign_in: SignIn) -> None:
    user = await sign_in(email="ann@example.com")
    me = (await user.request("GET", "/me")).json()
    assert (me["id"], me["email"], me["plan"]) == (str(user.id), "ann@example.com", "FREE")


async def test_a_submission_becomes_a_command_and_its_reply_a_response(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    user = await sign_in()
    response = await user.submit(task_type="echo", params={"message": "hello"})
    [command] = fake_jobs.commands
    assert isinstance(command, SubmitJob)
    assert (command.user_id, command.payload) == (user.id, {"message": "hello"})
    assert response.status_code == 202
    assert response.headers["location"] == f"/api/v1/jobs/{command.job_id}"


async def test_a_refusal_of_the_jobs_service_becomes_a_problem(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    user = await sign_in()
    fake_jobs.refusal = FakeRefusal("conflict")
    response = await user.submit()
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_repeat_with_the_same_idempotency_key_has_the_same_response(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    user = await sign_in()
    body = {"task_type": "echo", "params": {"message": "hello"}}
    headers = {"idempotency-key": "order-17"}
    first, second = [
        await user.request("POST", "/jobs", json=body, headers=headers) for _ in range(2)
    ]
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(fake_jobs.commands) == 1


async def test_users_see_only_their_own_jobs(sign_in: SignIn, fake_jobs: FakeJobsService) -> None:
    ann, bob = await sign_in(), await sign_in()
    job_id = await fake_jobs.insert_job(ann.id)
    assert (await ann.request("GET", f"/jobs/{job_id}")).status_code == 200
    assert (await bob.request("GET", f"/jobs/{job_id}")).status_code == 404


async def test_an_api_key_may_do_what_its_scopes_allow(sign_in: SignIn) -> None:
    user = await sign_in()
    body = {"name": "dashboard", "scopes": ["jobs:read"]}
    key = (await user.request("POST", "/api-keys", json=body)).json()["key"]
    user.headers["authorization"] = f"Bearer {key}"
    assert (await user.request("GET", "/jobs")).status_code == 200
    assert (await user.submit()).status_code == 403


async def test_a_live_stream_shows_the_changes_of_a_users_jobs(
    sign_in: SignIn, fake_jobs: FakeJobsService, gateway: RunningGateway
) -> None:
    user = await sign_in()
    job_id = await fake_jobs.insert_job(user.id)
    event_hub = gateway.gateway.event_hub
    async with user.http.stream("GET", "/api/v1/jobs/stream", headers=user.headers) as response:
        await wait_until(lambda: event_hub.connected_users == [user.id])
        await fake_jobs.publish_change(user.id, job_id, "RUNNING")
        lines = response.aiter_lines()
        line = await anext(lines)
        while not (line.startswith("data: ") and str(job_id) in line):
            line = await anext(lines)
    assert json.loads(line.removeprefix("data: "))["status"] == "RUNNING"


async def test_an_operator_switches_a_task_off_for_everyone(
    sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    operator: ApiUser = await sign_in(app_metadata={"role": "operator"})
    flag = "/ops/flags/FF_BROWSER_WORKER_ENABLED"
    body = {"percent": 0, "reason": "The target site is down."}
    assert (await operator.request("PUT", flag, json=body)).status_code == 204
    page = {"url": "https://example.com"}
    refused = await operator.submit(task_type="navigate_and_extract_text", params=page)
    assert refused.json()["code"] == "feature_flag_disabled"
    assert fake_jobs.commands == []
