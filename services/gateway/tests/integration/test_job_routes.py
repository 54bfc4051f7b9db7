"""The routes of jobs, on real servers, checked against the document."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from services.gateway.tests.conftest import (
    FakeIssuer,
    FakeJobsService,
    FakeRefusal,
    OpenApiChecker,
    OpenGateway,
    RunningGateway,
    SignIn,
)

from msaas.gateway.settings import Settings
from msaas.sealing import PrivateKey, Unsealer, is_sealed
from msaas.testing import FaultProxy, wait_until

# The private half of the gateway's default sealing key.
LOCAL_PRIVATE_KEY = "db5d7787:YGDJDhWeErmU7OW1ZrSMvWeMPPgYZgZUkdv0RnT8zlM"
ROUTES = [("GET", ""), ("GET", "/status"), ("GET", "/result"), ("GET", "/attempts")]


async def test_a_job_is_sent_to_its_owner_and_can_be_read_at_once(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    answer = await user.submit(priority=2)
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    assert "idempotent-replayed" not in answer.headers
    [command] = fake_jobs.commands
    assert str(command.job_id) == job_id
    assert (command.user_id, command.priority, command.source) == (user.id, 2, "api")
    assert command.payload == {"message": "hello"}
    job = (await user.request("GET", f"/jobs/{job_id}")).json()
    assert (job["status"], job["params"]) == ("PENDING", {"message": "hello"})
    state = (await user.request("GET", f"/jobs/{job_id}/status")).json()
    assert (state["status"], state["progress"]) == ("PENDING", None)
    assert (await user.request("GET", f"/jobs/{job_id}/attempts")).json() == {"items": []}
    cancelled = await user.request("POST", f"/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "CANCELLED")


async def test_a_secret_leaves_the_gateway_sealed_and_is_never_shown(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    params = {"message": "hello", "secret": "hunter2"}
    answer = await user.submit(params=params)
    [command] = fake_jobs.commands
    assert is_sealed(command.payload["secret"])
    opener = Unsealer([PrivateKey.parse(LOCAL_PRIVATE_KEY)])
    field = (str(command.job_id), "secret")
    assert opener.unseal(command.payload["secret"], *field) == "hunter2"
    shown = (await user.request("GET", f"/jobs/{answer.json()['id']}")).json()
    assert shown["params"] == {"message": "hello", "secret": "[sealed]"}


async def test_the_same_secret_is_the_same_request(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    headers = {"idempotency-key": "k"}
    body = {"task_type": "echo", "params": {"message": "hello", "secret": "hunter2"}}
    first = await user.request("POST", "/jobs", json=body, headers=headers)
    again = await user.request("POST", "/jobs", json=body, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_request_has_the_same_fingerprint_and_no_other(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    bodies: list[dict[str, Any]] = [
        {},
        {"params": {"message": "hello"}},
        {"params": {"message": "other"}},
        {"priority": 1},
        {"run_at": "2030-01-01T00:00:00Z"},
        {"deadline_at": "2030-01-01T00:00:00Z"},
    ]
    for number, body in enumerate(bodies):
        request = {"task_type": "echo", "params": {"message": "hello"}} | body
        headers = {"idempotency-key": f"k{number}", "x-client": "dashboard"}
        await user.request("POST", "/jobs", json=request, headers=headers)
    prints = [command.idempotency.fingerprint for command in fake_jobs.commands]
    assert prints[0] == prints[1]
    assert len(set(prints)) == len(bodies) - 1
    assert fake_jobs.commands[-1].idempotency.key == f"k{len(bodies) - 1}"
    assert {command.source for command in fake_jobs.commands} == {"dashboard"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"task_type": "no_such_task"}, "/task_type"),
        ({"task_type": ""}, "/task_type"),
        ({"params": {}}, "/params/message"),
        ({"params": {"message": 7}}, "/params/message"),
        ({"params": {"message": "x", "mesage": "y"}}, "/params/mesage"),
        ({"params": "hello"}, "/params"),
        ({"priority": 10}, "/priority"),
        ({"priority": "5"}, "/priority"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"run_at": "2030-01-01T00:00:00"}, "/run_at"),
        ({"run_at": "2030-01-02T00:00:00Z", "deadline_at": "2030-01-01T00:00:00Z"}, "/deadline_at"),
        ({"user_id": "somebody"}, "/user_id"),
        (
            {"task_type": "navigate_and_extract_text", "params": {"url": "file:///etc/passwd"}},
            "/params/url",
        ),
        (
            {"task_type": "navigate_and_extract_text", "params": {"url": "javascript:alert(1)"}},
            "/params/url",
        ),
    ],
)
async def test_the_faults_of_a_request_are_named_by_their_pointers(
    fake_jobs: FakeJobsService, sign_in: SignIn, body: dict[str, Any], pointer: str
) -> None:
    user = await sign_in()
    answer = await user.submit(**body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "validation_failed"
    assert pointer in {error["pointer"] for error in problem["errors"]}
    assert "passwd" not in answer.text
    assert fake_jobs.commands == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"task_type": "echo", "params": {"message": "a\\u0000b"}}', {}, 400),
        (b'{"task_type": "echo", "params": {"message": "\\ud800"}}', {}, 400),
        (b'{"task_type": "echo", "params": {"message": 9e999}}', {}, 400),
        (b'{"task_type": "echo", "params": {"n": 99999999999999999999}}', {}, 400),
        (b"[" * 200 + b"]" * 200, {}, 400),
        (b"x" * (1024 * 1024 + 1), {}, 413),
        (b"task_type=echo", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"idempotency-key": "k" * 256}, 422),
        (b'{"task_type": "echo", "params": {"message": ""}}', {"idempotency-key": "a b"}, 422),
    ],
)
async def test_a_body_that_cannot_be_stored_is_refused(
    fake_jobs: FakeJobsService, sign_in: SignIn, body: bytes, headers: dict[str, str], status: int
) -> None:
    user = await sign_in()
    given = {"content-type": "application/json"} | headers
    answer = await user.request("POST", "/jobs", content=body, headers=given)
    assert answer.status_code == status
    assert fake_jobs.commands == []


@pytest.mark.parametrize(
    ("code", "status"),
    [("forbidden", 403), ("not_found", 404), ("conflict", 409), ("idempotency_mismatch", 422)],
)
async def test_what_the_owner_refuses_becomes_its_problem(
    fake_jobs: FakeJobsService, sign_in: SignIn, code: str, status: int
) -> None:
    user = await sign_in()
    fake_jobs.refusal = FakeRefusal(code)
    path = "/jobs" if code in {"forbidden", "idempotency_mismatch"} else f"/jobs/{uuid4()}/cancel"
    body = {"task_type": "echo", "params": {"message": ""}} if path == "/jobs" else None
    answer = await user.request("POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_exhausted_quota_reports_its_use_and_its_reset(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    when = datetime(2030, 1, 1, tzinfo=UTC)
    fake_jobs.refusal = FakeRefusal(
        "quota_exceeded", limit=100, used=90, reserved=10, resets_at=when, upgrade_url="/billing"
    )
    answer = await user.submit()
    assert answer.status_code == 402
    problem = answer.json()
    assert (problem["limit"], problem["used"], problem["reserved"]) == (100, 90, 10)
    assert problem["upgrade_url"] == "/billing"


async def test_a_list_is_read_page_by_page_and_each_job_once(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user, other = await sign_in(), await sign_in()
    await fake_jobs.insert_job(other.id)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    kept = [
        await fake_jobs.insert_job(user.id, created_at=when + timedelta(hours=n // 3))
        for n in range(11)
    ]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = (await user.request("GET", "/jobs", params=query)).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(str(job_id) for job_id in kept)
    assert len(seen) == len(kept)


async def test_a_list_shows_only_jobs_that_match_the_filters(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    when = datetime(2026, 1, 1, tzinfo=UTC)
    failed = await fake_jobs.insert_job(user.id, status="FAILED", finished_at=when, created_at=when)
    other = await fake_jobs.insert_job(user.id, task_type="navigate_and_extract_text")
    for query, expected in (
        ({"status": "FAILED"}, failed),
        ({"task_type": "navigate_and_extract_text"}, other),
        ({"created_after": "2026-01-02T00:00:00Z"}, other),
    ):
        page = (await user.request("GET", "/jobs", params=query)).json()
        assert [job["id"] for job in page["items"]] == [str(expected)]
    for wrong in ({"limit": 0}, {"status": "DONE"}, {"cursor": "nonsense"}, {"cursor": "AAAA"}):
        assert (await user.request("GET", "/jobs", params=wrong)).status_code == 422


async def test_a_result_is_available_when_the_job_has_completed(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    now = datetime.now(UTC)
    done = await fake_jobs.insert_job(
        user.id, status="COMPLETED", finished_at=now, result=json.dumps({"message": "hello"})
    )
    answer = await user.request("GET", f"/jobs/{done}/result")
    assert answer.json()["result"] == {"message": "hello"}
    failed = await fake_jobs.insert_job(
        user.id, status="FAILED", finished_at=now, last_error="No such page."
    )
    answer = await user.request("GET", f"/jobs/{failed}/result")
    assert (answer.status_code, "No such page." in answer.text) == (409, True)
    waiting = await fake_jobs.insert_job(user.id)
    assert (await user.request("GET", f"/jobs/{waiting}/result")).status_code == 409


async def test_a_result_that_is_no_longer_kept_is_gone_and_its_job_can_be_read(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    now = datetime.now(UTC)
    for status, code in (("COMPLETED", "gone"), ("FAILED", "conflict")):
        job = await fake_jobs.insert_job(user.id, status=status, finished_at=now)
        removal = "UPDATE jobs.jobs SET payload = NULL, content_removed_at = now() WHERE id = $1"
        await rows.execute(removal, job)
        answer = await user.request("GET", f"/jobs/{job}/result")
        assert (answer.json()["code"], answer.json()["retryable"]) == (code, False)
        found = await user.request("GET", f"/jobs/{job}")
        assert (found.status_code, found.json()["params"]) == (200, None)
        for tail in ("/timeline", "/attempts", "/artifacts", "/status"):
            assert (await user.request("GET", f"/jobs/{job}{tail}")).status_code == 200
        listed = await user.request("GET", "/jobs", params={"status": status})
        assert [item["id"] for item in listed.json()["items"]] == [str(job)]


@pytest.mark.parametrize(("method", "tail"), ROUTES)
async def test_another_users_job_is_indistinguishable_from_a_missing_one(
    fake_jobs: FakeJobsService, sign_in: SignIn, method: str, tail: str
) -> None:
    mine, other_user = await sign_in(), await sign_in()
    job_id = await fake_jobs.insert_job(mine.id)
    answers = [
        await other_user.request(method, f"/jobs/{requested_id}{tail}")
        for requested_id in (job_id, uuid4())
    ]
    bodies = [answer.json() for answer in answers]
    for body in bodies:
        assert body.pop("instance")
        assert body.pop("correlation_id")
    assert [answer.status_code for answer in answers] == [404, 404]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(("method", "tail"), [*ROUTES, ("POST", "/cancel")])
async def test_a_request_without_a_token_is_refused(
    sign_in: SignIn, method: str, tail: str
) -> None:
    user = await sign_in()
    user.headers = {}
    answer = await user.request(method, f"/jobs/{uuid4()}{tail}")
    assert answer.status_code == 401


async def test_an_owner_that_does_not_answer_is_a_timeout_to_be_repeated(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    fake_jobs.silent = True
    answer = await user.submit()
    assert (answer.status_code, answer.json()["retryable"]) == (504, True)


async def test_without_redis_submitting_waits_and_reading_goes_on(
    fake_jobs: FakeJobsService,
    open_gateway: OpenGateway,
    gateway_settings: Settings,
    issuer: FakeIssuer,
    spec: OpenApiChecker,
    redis_url: str,
) -> None:
    import httpx
    from pydantic import SecretStr

    async with FaultProxy(redis_url) as proxy:
        redis = SecretStr(proxy.url_for(redis_url))
        settings = gateway_settings.model_copy(update={"redis_url": redis})
        _, url = await open_gateway(settings)
        user_id = uuid4()
        headers = {"authorization": f"Bearer {issuer.token(user_id)}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as http:
            assert (await http.get("/api/v1/me")).status_code == 200
            await proxy.cut()
            body = {"task_type": "echo", "params": {"message": ""}}
            answer = await http.post("/api/v1/jobs", json=body)
            spec.check(answer)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert (await http.get("/api/v1/jobs")).status_code == 200
            await proxy.restore()

            async def accepted() -> bool:
                return (await http.post("/api/v1/jobs", json=body)).status_code == 202

            await wait_until(accepted)


async def test_the_catalogue_is_sent_once(sign_in: SignIn) -> None:
    user = await sign_in()
    first = await user.request("GET", "/task-types")
    names = {task["task_type"] for task in first.json()["items"]}
    assert names >= {"echo", "navigate_and_extract_text"}
    again = await user.request(
        "GET", "/task-types", headers={"if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_a_user_is_made_on_first_sight_and_our_row_wins(
    rows: asyncpg.Connection, sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in(app_metadata={"plan": "PRO"}, user_metadata={"name": "Ann"})
    me = (await user.request("GET", "/me")).json()
    assert (me["plan"], me["display_name"], me["role"], me["usage"]) == ("PRO", "Ann", "user", None)
    await rows.execute("UPDATE identity.users SET plan = 'FREE' WHERE id = $1", user.id)
    assert (await user.request("GET", "/me")).json()["plan"] == "FREE"


async def test_an_email_that_is_taken_stays_with_its_first_user(
    rows: asyncpg.Connection, sign_in: SignIn
) -> None:
    first, second = await sign_in(email="ann@example.com"), await sign_in(email="ann@example.com")
    mails = [(await user.request("GET", "/me")).json()["email"] for user in (first, second)]
    assert mails == ["ann@example.com", None]


@pytest.mark.parametrize("column", ["erased_at", "banned_at"])
async def test_an_erased_or_banned_user_is_refused(
    rows: asyncpg.Connection, sign_in: SignIn, gateway: RunningGateway, column: str
) -> None:
    user = await sign_in()
    await rows.execute(
        f"UPDATE identity.users SET {column} = now(), email = NULL WHERE id = $1", user.id
    )
    gateway.gateway.state.authenticator.invalidate(user.id)
    assert (await user.request("GET", "/me")).status_code == 401
    assert await rows.fetchval("SELECT count(*) FROM identity.users WHERE id = $1", user.id) == 1


async def test_many_first_requests_at_once_make_one_user(
    rows: asyncpg.Connection, gateway: RunningGateway, issuer: FakeIssuer
) -> None:
    import httpx

    user_id = uuid4()
    headers = {"authorization": f"Bearer {issuer.token(user_id)}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as http:
        answers = await asyncio.gather(*(http.get("/api/v1/me") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert await rows.fetchval("SELECT count(*) FROM identity.users") == 1
