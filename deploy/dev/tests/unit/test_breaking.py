"""Planted breaking changes are reported with the consumers they affect; additions are not."""

import copy
import json
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from msaas.dev.breaking import DataFlow, SchemaNode, compare_contracts, compare_schemas
from msaas.dev.breaking.compare import API
from msaas.dev.workspace import ROOT

TODAY = date(2026, 11, 21)
BOTH = DataFlow.INPUT | DataFlow.OUTPUT
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("openapi", "schemas", "samples", "consumers")
    for path in sorted((ROOT / "contracts" / folder).rglob("*"))
    if path.suffix in {".json", ".yaml"} and "spectral" not in path.parts
}
SUBMITTED = "contracts/schemas/v1/SubmitJob.json"
FROZEN = "contracts/consumers/v1/dashboard/listJobEvents.json"

REMOVED = object()
JsonPath = tuple[str | int, ...]


def list_changes(
    new: dict[str, str], old: dict[str, str] = FILES, today: date = TODAY
) -> list[str]:
    return [str(change) for change in compare_contracts(old, new, today)]


def change(path: str, json_path: JsonPath, value: object) -> dict[str, str]:
    """Set or delete the value at a path in a file; a list gets a new item at its end."""
    content: Any = yaml.load(FILES[path], yaml.CSafeLoader)
    inside = content
    for part in json_path[:-1]:
        inside = inside[part]
    if value is REMOVED:
        del inside[json_path[-1]]
    elif json_path[-1] == "+":
        inside.append(value)
    else:
        inside[json_path[-1]] = value
    return FILES | {path: json.dumps(content)}


def test_nothing_that_is_the_same_breaks() -> None:
    assert list_changes(FILES) == []


SCHEMAS = ("components", "schemas")
JOBS = ("paths", "/jobs")


BREAKS: list[tuple[JsonPath, object, str]] = [
    (("paths", "/me"), REMOVED, "readMe: GET /me is gone"),
    (("paths", "/me", "get", "operationId"), "me", "readMe: its name is me"),
    ((*SCHEMAS, "Me", "properties", "plan"), REMOVED, "readMe: 200/plan is gone"),
    ((*SCHEMAS, "Me", "required"), ["id"], "readMe: 200/created_at may be missing"),
    ((*SCHEMAS, "Plan", "enum", "+"), "TEAM", "readMe: 200/plan: 'TEAM' was not returned before"),
    ((*SCHEMAS, "JobRequest", "required", "+"), "run_at", "submitJob: body/run_at is required"),
    (
        (*SCHEMAS, "JobRequest", "properties", "priority"),
        REMOVED,
        "submitJob: body/priority is no longer accepted",
    ),
    (
        (*SCHEMAS, "JobRequest", "properties", "priority", "maximum"),
        5,
        "submitJob: body/priority: maximum is 5",
    ),
    (
        (*JOBS, "get", "parameters", -3),
        REMOVED,
        "listJobs: query created_after is no longer read",
    ),
    (
        ("components", "parameters", "IdempotencyKey", "required"),
        True,
        "submitJob: header Idempotency-Key is required",
    ),
    ((*JOBS, "post", "responses", "202"), REMOVED, "submitJob: it no longer returns 202"),
    (
        (*JOBS, "post", "responses", "202", "headers", "Location"),
        REMOVED,
        "submitJob: 202: header Location is gone",
    ),
    (("security",), [{"apiKey": []}], "readMe: accessToken no longer grants access"),
    (
        (*SCHEMAS, "JobSummary", "properties", "progress"),
        {"type": "string"},
        "listJobs: 200/items/*/progress was object and may be string",
    ),
]


@pytest.mark.parametrize(("place", "value", "expected"), BREAKS)
def test_a_breaking_change_of_the_api_is_reported(
    place: JsonPath, value: object, expected: str
) -> None:
    found = list_changes(change(API, place, value))
    assert any(change.startswith(expected) for change in found), found


def test_consumers_that_rely_on_it_are_named() -> None:
    assert list_changes(change(API, ("paths", "/me", "get"), REMOVED)) == [
        "readMe: GET /me is gone  (relied on by cli, dashboard)"
    ]
    assert list_changes(change(SUBMITTED, ("required", "+"), "deadline_ts")) == [
        "SubmitJob: /deadline_ts is required  (relied on by jobs)"
    ]


def add_freely(document: Any) -> None:
    """Make every kind of addition that a version may have."""
    document["paths"]["/new"] = copy.deepcopy(document["paths"]["/me"])
    document["paths"]["/new"]["get"]["operationId"] = "readNew"
    document["security"].append({"apiKey": []})
    listing = document["paths"]["/jobs"]["get"]
    listing["parameters"].append({"name": "new", "in": "query", "schema": {"type": "string"}})
    listing["responses"]["402"] = listing["responses"]["503"]
    schemas = document["components"]["schemas"]
    schemas["Me"]["properties"]["new"] = {"type": "string"}
    schemas["Me"]["required"].append("new")
    schemas["JobRequest"]["properties"]["new"] = {"type": ["string", "null"]}
    schemas["JobRequest"]["properties"]["priority"]["maximum"] = 20
    del document["paths"]["/jobs"]["post"]["responses"]["403"]


def test_what_a_version_may_add_breaks_nothing() -> None:
    document = yaml.load(FILES[API], yaml.CSafeLoader)
    add_freely(document)
    added = change(SUBMITTED, ("properties", "new"), {"type": "integer"})
    assert list_changes(added | {API: json.dumps(document)}) == []


def test_what_is_past_its_sunset_may_go() -> None:
    without = {path: text for path, text in FILES.items() if path != FROZEN}
    document = yaml.load(without[API], yaml.CSafeLoader)
    del document["paths"]["/jobs/{job_id}/events"]
    without[API] = json.dumps(document)
    assert list_changes(without, today=date(2027, 5, 31)) != []
    assert list_changes(without, today=date(2027, 6, 1)) == []


def test_a_change_of_what_a_message_accepts_or_contains_breaks_it() -> None:
    plans = ("$defs", "Plan", "enum")
    assert "is no longer accepted" in " ".join(list_changes(change(SUBMITTED, plans, ["FREE"])))
    assert "was not returned before" in " ".join(
        list_changes(change(SUBMITTED, (*plans, "+"), "TEAM"))
    )
    gone = {path: text for path, text in FILES.items() if path != SUBMITTED}
    assert list_changes(gone) == ["SubmitJob: it is gone  (relied on by jobs)"]


def test_a_task_may_accept_and_return_more_but_not_less() -> None:
    params, result = (
        f"contracts/schemas/v1/task.echo.{part}.json" for part in ("params", "result")
    )
    assert list_changes(change(params, ("required",), [])) == []
    assert list_changes(change(result, ("required",), [])) != []


def test_a_sample_is_never_edited() -> None:
    path = "contracts/samples/v1/SubmitJob.json"
    assert list_changes(FILES | {path: "{}"}) == [f"{path}: a sample is never edited"]
    assert list_changes({name: text for name, text in FILES.items() if name != path}) == [
        f"{path}: a sample is gone"
    ]


def test_a_frozen_consumer_takes_a_sunset_and_nothing_else() -> None:
    assert list_changes(FILES, old=change(FROZEN, ("sunset_date",), REMOVED)) == []
    changes: list[tuple[JsonPath, object]] = [
        (("sunset_date",), "2026-12-01"),
        (("answer", "status"), 204),
        (("deprecated",), False),
    ]
    for place, value in changes:
        assert list_changes(change(FROZEN, place, value)) == [
            f"{FROZEN}: it is frozen: only a sunset_date may be added"
        ]
    living = FROZEN.replace("listJobEvents", "readMe")
    assert list_changes(change(living, ("answer", "status"), 204)) == []


def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"type": st.just("object"), "properties": fields}),
    )


PLAIN: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "integer", "minimum": 1},
    {"type": ["integer", "null"]},
    {"enum": ["a", "b"]},
]


@given(st.recursive(st.sampled_from(PLAIN), nest, max_leaves=6))
def test_a_schema_breaks_nothing_beside_itself(schema: Any) -> None:
    assert list(compare_schemas(SchemaNode(schema, {}), SchemaNode(schema, {}), BOTH)) == []


def test_a_shape_that_holds_itself_has_an_end() -> None:
    root = {"$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}}}
    shape = SchemaNode({"$ref": "#/$defs/Tree"}, root)
    assert list(compare_schemas(shape, shape, BOTH)) == []
