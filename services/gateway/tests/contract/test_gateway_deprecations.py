"""Deprecated operations are marked in the document, at the route and in every response."""

from collections.abc import Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import yaml
from services.gateway.tests.conftest import FakeIssuer, RunningGateway
from services.gateway.tests.contract.conftest import CreateJob, Operation

from msaas.gateway.entrypoints.http.route_rules import RouteRules
from msaas.gateway.entrypoints.http.routers import ROUTERS

DOCUMENT: Any = yaml.load(
    (Path(__file__).parents[4] / "contracts/openapi/gateway.v1.yaml").read_text(),
    yaml.CSafeLoader,  # ten times as fast as the other
)


def test_the_document_and_the_routes_have_the_same_deprecations(
    operations: Mapping[str, Operation],
) -> None:
    documented = {
        (operation.method, f"/api/v1{operation.path}"): (
            item["x-deprecated-since"],
            item["x-sunset"],
            f"/api/v1{operations[item['x-successor']].path}",
        )
        for operation in operations.values()
        if operation.is_deprecated
        and (item := DOCUMENT["paths"][operation.path][operation.method.lower()])
    }
    assert documented == {
        operation: (str(deprecation.since), str(deprecation.sunset), deprecation.successor)
        for operation, deprecation in RouteRules(ROUTERS).deprecations.items()
    }


async def test_every_response_has_the_headers_refusals_too(
    gateway: RunningGateway, issuer: FakeIssuer, create_job: CreateJob
) -> None:
    user_id = uuid4()
    signed_in = {"authorization": f"Bearer {issuer.token(user_id)}"}
    async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=60) as http:
        await http.get("/me", headers=signed_in)
        job_id = await create_job(user_id, "COMPLETED")
        answers = [
            await http.get(f"/jobs/{job_id}/events", headers=signed_in),
            await http.get(f"/jobs/{uuid4()}/events", headers=signed_in),
            await http.get(f"/jobs/{job_id}/events"),
        ]
        successor = await http.get(f"/jobs/{job_id}/timeline", headers=signed_in)
    assert [answer.status_code for answer in answers] == [200, 404, 401]
    for answer in answers:
        assert answer.headers["deprecation"] == "@1795219200"
        assert parsedate_to_datetime(answer.headers["sunset"]).date() == date(2027, 6, 1)
        assert answer.headers["link"] == (
            '</api/v1/jobs/{job_id}/timeline>; rel="successor-version"'
        )
    assert successor.json() == answers[0].json()
    assert not {"deprecation", "sunset", "link"} & successor.headers.keys()
