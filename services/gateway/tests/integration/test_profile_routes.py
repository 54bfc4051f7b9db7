"""A user's own profile and notifications, and what operators look up."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.gateway.tests.conftest import FakeJobsService, SignIn

from msaas.gateway.application.manage_profile import QUOTA_LEVELS, find_reached_level


async def test_a_user_changes_only_what_is_given(sign_in: SignIn) -> None:
    user, other = await sign_in(), await sign_in()
    changed = await user.request(
        "PATCH", "/me", json={"display_name": "  Ann Ørsted ", "locale": "de"}
    )
    assert changed.status_code == 200
    assert (changed.json()["display_name"], changed.json()["locale"]) == ("Ann Ørsted", "de")
    await user.request("PATCH", "/me", json={"locale": None})
    await user.request("PATCH", "/me", json={})
    me = (await user.request("GET", "/me")).json()
    assert (me["display_name"], me["locale"], me["role"]) == ("Ann Ørsted", None, "user")
    assert (await other.request("GET", "/me")).json()["display_name"] != "Ann Ørsted"


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": "  "},
        {"display_name": "a\u202eb"},
        {"display_name": "x" * 81},
        {"locale": "fr"},
        {"plan": "PRO"},
        {"role": "operator"},
    ],
)
async def test_a_profile_takes_nothing_else(sign_in: SignIn, body: dict[str, Any]) -> None:
    user = await sign_in()
    assert (await user.request("PATCH", "/me", json=body)).status_code == 422


async def test_an_api_key_changes_no_profile(sign_in: SignIn) -> None:
    user = await sign_in()
    made = await user.request(
        "POST",
        "/api-keys",
        json={"name": "all", "scopes": ["account:read"]},
        headers={"idempotency-key": uuid4().hex},
    )
    user.headers = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await user.request("GET", "/me/notifications")).status_code == 200
    assert (await user.request("PATCH", "/me", json={})).status_code == 403
    levels = await user.request("PUT", "/me/notifications", json={"quota": []})
    assert levels.status_code == 403


async def test_notifications_say_which_level_is_reached(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    first = await user.request("GET", "/me/notifications")
    assert first.json() == {"quota": [50, 80, 100], "reached": None, "resets_at": None}
    now = datetime.now(UTC)
    await rows.execute(
        "INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)"
        " VALUES ($1, $1, 'FREE', $2, $3)",
        *(user.id, now - timedelta(days=5), now + timedelta(days=5)),
    )
    await rows.execute(
        "INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start, period_end,"
        " jobs_limit, jobs_used) SELECT $1, user_id, subject_id, plan, period_start, period_end,"
        " 100, 85 FROM jobs.subjects WHERE user_id = $2",
        *(uuid4(), user.id),
    )
    for levels, reached in (([100, 80, 80], 80), ([50], 50), ([], None)):
        answer = await user.request("PUT", "/me/notifications", json={"quota": levels})
        assert answer.status_code == 200
        assert (answer.json()["quota"], answer.json()["reached"]) == (sorted({*levels}), reached)
    assert answer.json()["resets_at"] is not None
    wrong = await user.request("PUT", "/me/notifications", json={"quota": [90]})
    assert wrong.status_code == 422


@given(
    st.integers(0, 10**6), st.integers(1, 10**6), st.sets(st.sampled_from(QUOTA_LEVELS), max_size=3)
)
def test_the_reached_level_is_the_highest_that_is_not_above_the_usage(
    used: int, limit: int, levels: set[int]
) -> None:
    reached = find_reached_level(used, limit, sorted(levels))
    below = {level for level in levels if used / limit >= level / 100}
    assert reached == max(below, default=None)
    assert find_reached_level(used, None, sorted(levels)) is None


async def test_operators_find_users_in_pages(sign_in: SignIn) -> None:
    operator = await sign_in(app_metadata={"role": "operator"})
    users = [await sign_in() for _ in range(3)]
    await users[0].request("PATCH", "/me", json={"display_name": "50%_off"})
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await operator.request("GET", "/ops/users", params=query)).json()
        seen += [user["id"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [str(user.id) for user in [*reversed(users), operator]]
    for search, found in (
        (users[1].id.hex, [users[1]]),
        (str(users[2].id), [users[2]]),
        ("0%_O", [users[0]]),
        ("5___off", []),
    ):
        page = await operator.request("GET", "/ops/users", params={"q": search})
        assert [user["id"] for user in page.json()["items"]] == [str(user.id) for user in found]
    assert (await users[0].request("GET", "/ops/users")).status_code == 403


async def test_operators_read_the_audit_entries_in_pages(sign_in: SignIn) -> None:
    operator = await sign_in(app_metadata={"role": "operator"})
    user = await sign_in()
    for banned in (True, False, True):
        body = {"banned": banned, "reason": "Checking."}
        await operator.request("PUT", f"/ops/users/{user.id}/ban", json=body)
    query: dict[str, Any] = {"limit": 2, "about": str(user.id)}
    first = (await operator.request("GET", "/ops/audit", params=query)).json()
    query["cursor"] = first["next_cursor"]
    second = (await operator.request("GET", "/ops/audit", params=query)).json()
    entries = [*first["items"], *second["items"]]
    assert [entry["action"] for entry in entries] == ["user.banned", "user.unbanned", "user.banned"]
    assert {entry["actor_id"] for entry in entries} == {str(operator.id)}
    assert second["next_cursor"] is None
    only = await operator.request("GET", "/ops/audit", params={"action": "user.unbanned"})
    assert len(only.json()["items"]) == 1
    assert (await (await sign_in()).request("GET", "/ops/audit")).status_code == 403


async def test_the_result_of_an_attempt_is_that_of_the_one_that_succeeded(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    now = datetime.now(UTC)
    job_id = await fake_jobs.insert_job(user.id, status="COMPLETED", finished_at=now, result="{}")
    insert = (
        "INSERT INTO jobs.job_attempts (job_id, fence, attempt, outcome, error, dispatched_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
    )
    for number, outcome, error, minutes in (
        (1, "failed", "before the retry", 4),
        (2, "failed", "403", 3),
        (1, "failed", "503", 2),
        (3, "succeeded", None, 1),
    ):
        at = now - timedelta(minutes=minutes)
        await rows.execute(insert, job_id, uuid4(), number, outcome, error, at)
    path = f"/jobs/{job_id}/result"
    answers = {n: await user.request("GET", path, params={"attempt": n}) for n in (1, 2, 3, 4)}
    assert {n: answer.status_code for n, answer in answers.items()} == {
        1: 409,
        2: 409,
        3: 200,
        4: 404,
    }
    assert "503" in answers[1].json()["detail"]
    assert answers[3].json() == (await user.request("GET", path)).json()
