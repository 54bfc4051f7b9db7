"""Every error is returned as one complete problem."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from msaas.contracts import PROBLEMS
from msaas.telemetry import Metrics

MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "correlation_id",
    "retryable",
    "human_readable_cause",
    "suggested_action",
    "errors",
}
JSON = {"content-type": "application/json"}


def read_problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["code"] in PROBLEMS
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    return problem


@pytest.mark.parametrize(
    ("name", "status", "code", "retryable"),
    [
        ("quota", 402, "quota_exceeded", False),
        ("unknown-code", 409, "conflict", False),
        ("bug", 500, "internal", False),
        ("dependency", 503, "dependency_unavailable", True),
        ("overloaded", 503, "overloaded", True),
        ("crash", 500, "internal", False),
        ("exit", 500, "internal", False),
        ("timeout", 500, "internal", False),
        ("teapot", 418, "malformed", False),
        ("gateway", 502, "internal", False),
    ],
)
async def test_an_error_is_a_problem(
    client: httpx.AsyncClient, name: str, status: int, code: str, *, retryable: bool
) -> None:
    answer = await client.get(f"/errors/{name}")
    problem = read_problem(answer)
    assert (answer.status_code, problem["code"], problem["retryable"]) == (status, code, retryable)
    assert problem["instance"] == f"/api/v1/errors/{name}"
    assert "planted-secret" not in answer.text
    assert "internal-detail" not in answer.text


async def test_retry_after_is_rounded_up_and_a_503_always_has_one(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/errors/overloaded")).headers["retry-after"] == "3"
    assert (await client.get("/errors/dependency")).headers["retry-after"] == "1"
    assert "retry-after" not in (await client.get("/errors/quota")).headers


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    assert read_problem(await client.get("/nowhere"))["code"] == "not_found"
    assert read_problem(await client.get("/cars/1/"))["code"] == "not_found"


async def test_a_wrong_method_is_a_problem_that_names_all_right_ones(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/cars/1")
    assert read_problem(answer)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "DELETE, GET"


async def test_a_problem_answers_head_with_its_type(client: httpx.AsyncClient) -> None:
    answer = await client.head("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_invalid_fields_are_named_by_pointers_without_their_values(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/cars", json={"name": "planted-secret", "engine": {"power": "x"}})
    problem = read_problem(answer)
    assert (answer.status_code, problem["code"]) == (422, "validation_failed")
    assert [(error["in"], error["pointer"]) for error in problem["errors"]] == [
        ("body", "/name"),
        ("body", "/engine/power"),
    ]
    assert "planted-secret" not in answer.text


async def test_an_invalid_path_parameter_is_pointed_at(client: httpx.AsyncClient) -> None:
    problem = read_problem(await client.get("/cars/red"))
    assert [(error["in"], error["pointer"]) for error in problem["errors"]] == [("path", "/number")]


async def test_a_missing_body_is_invalid(client: httpx.AsyncClient) -> None:
    assert read_problem(await client.post("/cars"))["code"] == "validation_failed"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_media_type_is_unsupported(
    client: httpx.AsyncClient, media_type: str
) -> None:
    answer = await client.post("/cars", content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 415
    assert read_problem(answer)["code"] == "unsupported_media_type"


async def test_a_compressed_body_is_unsupported(client: httpx.AsyncClient) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    assert (await client.post("/cars", content=b"x", headers=headers)).status_code == 415


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"a": 1e999}', "is not JSON"),
        (b'{"a": "\\ud800"}', "is not JSON"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nesting"),
        (b'{"a": 9223372036854775808}', "64 bits"),
        (b'{"a": -99999999999999999999999}', "64 bits"),
    ],
)
async def test_json_that_others_could_not_hold_is_malformed(
    client: httpx.AsyncClient, body: bytes, reason: str
) -> None:
    answer = await client.post("/anything", content=body, headers=JSON)
    problem = read_problem(answer)
    assert (answer.status_code, problem["code"]) == (400, "malformed")
    assert reason in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 9223372036854775807, "b": -9223372036854775808}',
        b'{"a": "99999999999999999999999", "b": 0.1234567890123456789012}',
        b'{"a": "\\\\u0000"}',
        b'{"a": [[[[[]]]]], "b": "[[[[[["}',
    ],
)
async def test_json_that_only_looks_suspicious_passes(
    client: httpx.AsyncClient, body: bytes
) -> None:
    assert (await client.post("/anything", content=body, headers=JSON)).status_code == 200


@pytest.mark.parametrize("address", ["/cars/1?a=%00", "/cars/%00"])
async def test_nul_in_the_address_is_malformed(client: httpx.AsyncClient, address: str) -> None:
    assert read_problem(await client.get(address))["code"] == "malformed"


async def test_a_crash_is_logged_with_its_correlation_id_and_counted(
    client: httpx.AsyncClient, metrics: Metrics
) -> None:
    with capture_logs() as logs:
        await client.get("/errors/crash", headers={"x-correlation-id": "abc"})
    (crash,) = [entry for entry in logs if entry["event"] == "request_crashed"]
    assert isinstance(crash["exc_info"], RuntimeError)
    assert crash["route"] == "/api/v1/errors/{name}"
    assert b"msaas_http_unhandled_errors_total{" in metrics.render()
