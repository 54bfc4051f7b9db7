"""The document and the application name the same operations, and the document is a good one."""

from pathlib import Path
from typing import Any

import yaml
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from msaas.gateway.entrypoints.http.routers import ROUTERS

# Bad headers, no credential, no scope, too many requests, faults, unavailable dependencies.
ANYWHERE = {"400", "401", "403", "429", "500", "503", "504"}
SPEC: Any = yaml.load(
    (Path(__file__).parents[4] / "contracts/openapi/gateway.v1.yaml").read_text(),
    yaml.CSafeLoader,  # ten times as fast as the other
)


def documented() -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), f"/api/v1{path}"): operation
        for path, item in SPEC["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def test_the_document_is_valid() -> None:
    validate(SPEC)


def test_every_operation_is_served_and_every_route_is_documented() -> None:
    served = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert served == set(documented())


def test_every_operation_has_a_name_of_its_own_its_faults_and_its_security() -> None:
    operations = documented().values()
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert SPEC["security"] == [{"accessToken": []}, {"apiKey": []}]
    for operation in operations:
        assert operation["responses"].keys() >= ANYWHERE
        assert operation["summary"]


def test_every_answer_has_an_example_that_keeps_to_its_schema() -> None:
    for (_, path), operation in documented().items():
        for status, answer in operation["responses"].items():
            for content in resolve(answer).get("content", {}).values():
                schema = content["schema"] | {"components": SPEC["components"]}
                checker: Any = Draft202012Validator(schema, format_checker=FormatChecker())
                assert "example" in content, f"{path} {status}"
                checker.validate(content["example"])


def resolve(answer: Any) -> Any:
    name = answer.get("$ref", "").rpartition("/")[2]
    return SPEC["components"]["responses"][name] if name else answer
