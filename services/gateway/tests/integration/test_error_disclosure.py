"""No error response discloses internals, whatever was sent and whatever failed."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    ReadMetric,
    RunningGateway,
    SignIn,
)

from msaas.contracts import PROBLEMS

DOCUMENT = Path(__file__).parents[4] / "contracts/openapi/gateway.v1.yaml"
INSIDE = re.compile(
    r"Traceback|\.py\b|asyncpg|pydantic|starlette|sqlalchemy|hiredis|svc_\w+|service_role|"
    r"api_v1\.|jobs\.jobs|identity\.|SELECT |INSERT |redis://|postgresql://|msaas:\w+:|127\.0\.0\.1",
    re.IGNORECASE,
)
TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SUBMISSIONS = st.fixed_dictionaries(
    {"task_type": st.sampled_from(["echo", "navigate_and_extract_text"]) | TEXT, "params": JSON},
    optional={"priority": JSON, "run_at": JSON, "deadline_at": JSON},
)
VALUES = st.sampled_from(["0", "-1", "1e9", "' OR 1=1 --", "planted-secret", "\u202e", "9" * 30])


class Operation(NamedTuple):
    method: str
    path: str
    queries: list[str]


async def break_down(*_: object) -> None:
    """Raise an error with a secret text within any request."""
    raise RuntimeError("planted-secret at 10.0.0.1")


def list_operations() -> list[Operation]:
    spec: Any = yaml.load(DOCUMENT.read_text(), yaml.CSafeLoader)
    found: list[Operation] = []
    for path, item in spec["paths"].items():
        if path == "/jobs/stream":
            continue  # a stream: it does not end by itself
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method != "parameters":
                named = [*shared, *operation.get("parameters", [])]
                queries = [
                    parameter["name"] for parameter in named if parameter.get("in") == "query"
                ]
                found.append(Operation(method, path, queries))
    return found


OPERATIONS = list_operations()


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500
    if answer.is_error:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] in PROBLEMS
        assert problem["human_readable_cause"]
        assert problem["suggested_action"]
        disclosed = answer.text.replace(problem["instance"], "")
        assert not INSIDE.search(disclosed), disclosed
        for error in problem["errors"]:
            assert error["pointer"] == "" or error["pointer"].startswith("/")


@pytest_asyncio.fixture
async def user(sign_in: SignIn, fake_jobs: FakeJobsService) -> Any:
    return await sign_in()


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    operation=st.sampled_from(OPERATIONS),
    value=VALUES,
    body=SUBMISSIONS | JSON,
    is_an_id=st.booleans(),
)
async def test_no_input_brings_out_what_is_inside(
    user: ApiUser, operation: Operation, value: str, body: object, *, is_an_id: bool
) -> None:
    method, path, queries = operation
    segment = str(uuid4()) if is_an_id else "planted-secret"
    answer = await user.http.request(
        method,
        "/api/v1" + re.sub(r"\{\w+\}", segment, path),
        params=dict.fromkeys(queries, value),
        headers=user.headers | {"content-type": "application/json"},
        content=json.dumps(body).encode() if method == "post" else b"",
    )
    check(answer)


async def test_a_panic_is_a_problem_that_is_counted_and_the_process_lives_on(
    gateway: RunningGateway,
    sign_in: SignIn,
    read_metric: ReadMetric,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = await sign_in()
    with monkeypatch.context() as broken:
        broken.setattr(gateway.gateway.state.job_views, "list_jobs", break_down, raising=True)
        answer = await user.request("GET", "/jobs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "planted-secret" not in answer.text
    assert not INSIDE.search(answer.text)
    counted = read_metric("msaas_http_unhandled_errors_total", route="/api/v1/jobs")
    assert counted == 1
    assert (await user.request("GET", "/jobs")).status_code == 200
