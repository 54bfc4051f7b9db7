"""What is going says so: in the document, in the program, and in each of its answers."""

from collections.abc import Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import yaml

from msaas.gateway.entrypoints.http.deprecations import DEPRECATIONS

DOCUMENT: Any = yaml.safe_load(
    (Path(__file__).parents[4] / "contracts/openapi/gateway.v1.yaml").read_text()
)


def test_the_document_and_the_program_tell_the_same_of_what_is_going(
    operations: Mapping[str, Any],
) -> None:
    documented = {
        (one.method, f"/api/v1{one.path}"): (
            said["x-deprecated-since"],
            said["x-sunset"],
            f"/api/v1{operations[said['x-successor']].path}",
        )
        for one in operations.values()
        if one.is_deprecated and (said := DOCUMENT["paths"][one.path][one.method.lower()])
    }
    assert documented == {
        operation: (str(going.since), str(going.sunset), going.successor)
        for operation, going in DEPRECATIONS.items()
    }


async def test_every_answer_of_it_says_so_refusals_too(
    gateway: Any, issuer: Any, create_job: Any
) -> None:
    user_id = uuid4()
    signed_in = {"authorization": f"Bearer {issuer.token(user_id)}"}
    async with httpx.AsyncClient(base_url=f"{gateway[1]}/api/v1") as http:
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
