"""The interactions of each consumer (contracts/consumers), played against a real gateway."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker
from services.gateway.tests.conftest import FakeIssuer, RunningGateway
from services.gateway.tests.contract.conftest import CreateJob, Operation

CONSUMERS = Path(__file__).parents[4] / "contracts/consumers/v1"
FILES = sorted(CONSUMERS.glob("*/*.json"))

SendInteraction = Callable[[Mapping[str, Any]], Awaitable[httpx.Response]]


@pytest_asyncio.fixture
async def send_interaction(
    gateway: RunningGateway, jobs_service: None, issuer: FakeIssuer, create_job: CreateJob
) -> AsyncIterator[SendInteraction]:
    """Return a function that sends a consumer's request, with the data that it presumes."""
    users = {"user": uuid4(), "operator": uuid4()}
    async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=20) as http:

        async def play_(request: Mapping[str, Any]) -> httpx.Response:
            user_id = users[role := request.get("as", "user")]
            claims: dict[str, Any] = {"app_metadata": {"role": role, "plan": "ENTERPRISE"}}
            http.headers["authorization"] = f"Bearer {issuer.token(user_id, **claims)}"
            await http.get("/me")
            thing = str(await create_job(user_id, request.get("given", "COMPLETED")))
            body = json.dumps(request.get("body")).replace("{letter_id}", thing)
            prepared = http.build_request(
                request["method"],
                request["path"].format(job_id=thing, letter_id=thing),
                params=request.get("query"),
                headers=request.get("headers"),
                json=json.loads(body),
            )
            answer = await http.send(prepared, stream=True)
            if answer.headers["content-type"].startswith("application/json"):
                await answer.aread()
            await answer.aclose()
            return answer

        yield play_


def test_every_operation_of_a_consumer_is_in_the_document(
    operations: Mapping[str, Operation],
) -> None:
    for path in FILES:
        interaction = json.loads(path.read_text())
        operation = operations[interaction["operation"]]
        assert path.stem == interaction["operation"]
        request = interaction["request"]
        assert (request["method"], request["path"]) == (operation.method, operation.path)
        assert str(interaction["answer"]["status"]) in operation.responses
        assert interaction["deprecated"] == operation.is_deprecated, (
            "the interactions of a deprecated operation are frozen"
        )
        assert ("sunset_date" in interaction) == operation.is_deprecated


@pytest.mark.parametrize("consumer", sorted({path.parent.name for path in FILES}))
async def test_the_gateway_answers_as_a_consumer_expects(
    send_interaction: SendInteraction, consumer: str
) -> None:
    for path in sorted((CONSUMERS / consumer).glob("*.json")):
        interaction = json.loads(path.read_text())
        expected = interaction["answer"]
        answer = await send_interaction(interaction["request"])
        assert answer.status_code == expected["status"], path.name
        assert set(expected.get("headers", ())) <= answer.headers.keys(), path.name
        if "body" in expected:
            validator: Any = Draft202012Validator(expected["body"], format_checker=FormatChecker())
            validator.validate(answer.json())
