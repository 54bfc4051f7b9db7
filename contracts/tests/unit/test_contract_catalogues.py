"""Plans, tasks, problems and frames are complete and agree with each other."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from msaas.contracts import (
    HEARTBEAT,
    PLANS,
    PROBLEMS,
    TASKS,
    TOPICS,
    AccountFrame,
    JobEnvelope,
    JobFrame,
    JobStatus,
    Plan,
    Progress,
    Task,
    UnknownProblem,
    UnknownTask,
    account_frame,
    get_problem,
    get_task,
    hello_frame,
    is_cursor,
    job_frame,
    progress_frame,
    resync_frame,
    retry_frame,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = UUID("01938e5a-7c00-7000-8000-000000000001")


def test_every_plan_has_terms() -> None:
    assert set(PLANS) == set(Plan)
    assert [PLANS[plan].jobs_per_period for plan in Plan] == [100, 10_000, None]
    assert [PLANS[plan].slots for plan in Plan] == [2, 20, 100]
    assert [plan for plan in Plan if PLANS[plan].metered] == [Plan.PRO, Plan.ENTERPRISE]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_the_topic_of_a_task_carries_envelopes(task: Task) -> None:
    assert JobEnvelope in TOPICS[task.topic].messages
    assert task.plans
    assert timedelta() < task.timeout < task.valid_for
    assert all(flag.startswith("FF_") for flag in task.flags)


def test_an_undeclared_task_is_an_error() -> None:
    assert get_task("echo").topic == "jobs.generic"
    with pytest.raises(UnknownTask):
        get_task("mine_bitcoin")


@pytest.mark.parametrize(
    ("task_type", "params"),
    [
        ("navigate_and_extract_text", {"url": "ftp://example.com"}),
        ("navigate_and_extract_text", {"url": "https://a b"}),
        ("navigate_and_extract_text", {"url": "https://example.com\n"}),
        ("navigate_and_extract_text", {"url": "https://e.com", "selector": "a\0"}),
        ("navigate_and_extract_text", {"url": "https://e.com", "selector": ""}),
        ("navigate_and_extract_text", {}),
        ("navigate_and_extract_text", {"url": "https://e.com", "timeout_ms": 0}),
        ("navigate_and_extract_text", {"url": "https://e.com", "timeout_ms": 60_001}),
        ("navigate_and_extract_text", {"url": "https://e.com", "timeout_ms": "500"}),
        ("navigate_and_extract_text", {"url": "https://e.com", "wait_until": "bored"}),
        ("echo", {"message": "a\ud800"}),
        ("echo", {"message": "a\0"}),
        ("echo", {"message": "a", "delay_ms": "5"}),
        ("echo", {"message": "a", "delay_ms": 2**80}),
    ],
)
def test_parameters_are_checked(task_type: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        get_task(task_type).params.model_validate(params)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8010/article", "http://[::1]/", "http://e.com"])
def test_the_contract_allows_any_host(url: str) -> None:
    params = get_task("navigate_and_extract_text").params
    assert params.model_validate({"url": url}).model_dump()["url"] == url


def test_a_result_accepts_the_text_of_a_hostile_page() -> None:
    content = {
        "url": "https://e.com",
        "final_url": "x" * 9_000,
        "text": "a\0\ud800",
        "title": "t" * 999,
    }
    result = get_task("navigate_and_extract_text").result.model_validate(content).model_dump()
    assert (len(result["final_url"]), len(result["title"])) == (2_048, 200)
    assert result["text"] == "a\ufffd\ufffd"


def test_every_problem_of_the_api_is_listed_with_its_status() -> None:
    statuses: dict[int, set[str]] = {}
    for problem in PROBLEMS.values():
        statuses.setdefault(problem.status, set()).add(problem.code)
        assert problem.title
        assert problem.cause.endswith(".")
        assert problem.action.endswith(".")
    assert statuses == {
        400: {"idempotency_key_required", "malformed"},
        401: {"unauthenticated", "token_expired"},
        402: {"payment_declined", "quota_exceeded"},
        403: {"forbidden", "plan_forbidden", "feature_flag_disabled"},
        404: {"not_found"},
        405: {"method_not_allowed"},
        409: {"conflict", "idempotency_in_progress"},
        410: {"gone"},
        413: {"payload_too_large"},
        415: {"unsupported_media_type"},
        422: {"validation_failed", "idempotency_mismatch"},
        429: {"rate_limited"},
        500: {"internal"},
        503: {"dependency_unavailable", "overloaded"},
        504: {"command_timeout"},
    }


def test_an_undeclared_problem_is_an_error() -> None:
    assert get_problem("overloaded").retryable
    with pytest.raises(UnknownProblem):
        get_problem("nonsense")


def test_a_job_frame_holds_exactly_these_members() -> None:
    frame = JobFrame(
        id=JOB, status=JobStatus.RUNNING, attempts=0, updated_at=NOW, last_error="a\nb"
    )
    assert job_frame("5-1", frame) == (
        b"id: 5-1\nevent: job\n"
        b'data: {"id":"01938e5a-7c00-7000-8000-000000000001","status":"RUNNING","attempts":0,'
        b'"updated_at":"2026-01-01T00:00:00Z","last_error":"a\\nb"}\n\n'
    )


def test_the_first_frame_contains_cursor_and_retry() -> None:
    assert hello_frame("5-1", 2_500) == (
        b'retry: 2500\n\nid: 5-1\nevent: hello\ndata: {"cursor":"5-1"}\n\n'
    )
    assert retry_frame(2_500) == b"retry: 2500\n\n"


def test_the_other_frames_are_these_bytes() -> None:
    account = AccountFrame(
        plan=Plan.PRO,
        jobs_limit=None,
        jobs_used=3,
        jobs_reserved=1,
        period_start=NOW,
        period_end=NOW + timedelta(days=31),
    )
    assert account_frame("5-2", account) == (
        b'id: 5-2\nevent: account\ndata: {"plan":"PRO","jobs_limit":null,"jobs_used":3,'
        b'"jobs_reserved":1,"period_start":"2026-01-01T00:00:00Z",'
        b'"period_end":"2026-02-01T00:00:00Z"}\n\n'
    )
    assert progress_frame("5-3", JOB, Progress(percent=40)) == (
        b'id: 5-3\nevent: progress\ndata: {"percent":40,"message":null,'
        b'"id":"01938e5a-7c00-7000-8000-000000000001"}\n\n'
    )
    assert resync_frame("5-4") == b'id: 5-4\nevent: resync\ndata: {"cursor":"5-4"}\n\n'
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n\n")


@pytest.mark.parametrize("cursor", ["", "5", "5-1\nevent: x", "5-1 ", "-1-0", "9" * 30 + "-0"])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    assert not is_cursor(cursor)
    with pytest.raises(ValueError, match="cursor"):
        resync_frame(cursor)
