"""Planted breaks are told, with whom they hit; additions are not."""

import copy
import json
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from msaas.cli.breaking import Direction, Shape, compare, compare_shapes
from msaas.cli.breaking.compare import API
from msaas.cli.house import ROOT

TODAY = date(2026, 11, 21)
BOTH = Direction.GIVEN | Direction.TOLD
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("openapi", "schemas", "samples", "consumers")
    for path in sorted((ROOT / "contracts" / folder).rglob("*"))
    if path.suffix in {".json", ".yaml"} and "spectral" not in path.parts
}
SUBMITTED = "contracts/schemas/v1/SubmitJob.json"
FROZEN = "contracts/consumers/v1/dashboard/listJobEvents.json"

GONE = object()
Place = tuple[str | int, ...]


def tell(new: dict[str, str], old: dict[str, str] = FILES, today: date = TODAY) -> list[str]:
    return [str(one) for one in compare(old, new, today)]


def change(path: str, place: Place, value: object) -> dict[str, str]:
    """Set, or take away, what is at a place of a file; a list takes a new item at its end."""
    content: Any = yaml.load(FILES[path], yaml.CSafeLoader)
    inside = content
    for part in place[:-1]:
        inside = inside[part]
    if value is GONE:
        del inside[place[-1]]
    elif place[-1] == "+":
        inside.append(value)
    else:
        inside[place[-1]] = value
    return FILES | {path: json.dumps(content)}


def test_nothing_that_is_the_same_breaks() -> None:
    assert tell(FILES) == []


SCHEMAS = ("components", "schemas")
JOBS = ("paths", "/jobs")


BREAKS: list[tuple[Place, object, str]] = [
    (("paths", "/me"), GONE, "readMe: GET /me is gone"),
    (("paths", "/me", "get", "operationId"), "me", "readMe: its name is me"),
    ((*SCHEMAS, "Me", "properties", "plan"), GONE, "readMe: 200/plan is gone"),
    ((*SCHEMAS, "Me", "required"), ["id"], "readMe: 200/created_at may be missing"),
    ((*SCHEMAS, "Plan", "enum", "+"), "TEAM", "readMe: 200/plan: 'TEAM' was never told"),
    ((*SCHEMAS, "JobRequest", "required", "+"), "run_at", "submitJob: body/run_at is required"),
    (
        (*SCHEMAS, "JobRequest", "properties", "priority"),
        GONE,
        "submitJob: body/priority is not taken any more",
    ),
    (
        (*SCHEMAS, "JobRequest", "properties", "priority", "maximum"),
        5,
        "submitJob: body/priority: maximum is 5",
    ),
    (
        (*JOBS, "get", "parameters", -1),
        GONE,
        "listJobs: query created_after is not looked at any more",
    ),
    (
        ("components", "parameters", "IdempotencyKey", "required"),
        True,
        "submitJob: header Idempotency-Key is required",
    ),
    ((*JOBS, "post", "responses", "202"), GONE, "submitJob: it does not answer 202 any more"),
    (
        (*JOBS, "post", "responses", "202", "headers", "Location"),
        GONE,
        "submitJob: 202: header Location is gone",
    ),
    (("security",), [{"apiKey": []}], "readMe: accessToken does not open it any more"),
    (
        (*SCHEMAS, "JobSummary", "properties", "progress"),
        {"type": "string"},
        "listJobs: 200/items/*/progress was object and may be string",
    ),
]


@pytest.mark.parametrize(("place", "value", "told"), BREAKS)
def test_a_break_of_the_api_is_told(place: Place, value: object, told: str) -> None:
    found = tell(change(API, place, value))
    assert any(one.startswith(told) for one in found), found


def test_those_who_rely_on_it_are_named() -> None:
    assert tell(change(API, ("paths", "/me"), GONE)) == [
        "readMe: GET /me is gone  (relied on by cli, dashboard)"
    ]
    assert tell(change(SUBMITTED, ("required", "+"), "deadline_ts")) == [
        "SubmitJob: /deadline_ts is required  (relied on by jobs)"
    ]


def add_freely(document: Any) -> None:
    """Add all that a version may add."""
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
    assert tell(added | {API: json.dumps(document)}) == []


def test_what_is_past_its_sunset_may_go() -> None:
    without = {path: text for path, text in FILES.items() if path != FROZEN}
    document = yaml.load(without[API], yaml.CSafeLoader)
    del document["paths"]["/jobs/{job_id}/events"]
    without[API] = json.dumps(document)
    assert tell(without, today=date(2027, 5, 31)) != []
    assert tell(without, today=date(2027, 6, 1)) == []


def test_a_message_breaks_by_what_it_takes_and_by_what_it_tells() -> None:
    plans = ("$defs", "Plan", "enum")
    assert "is not taken any more" in " ".join(tell(change(SUBMITTED, plans, ["FREE"])))
    assert "was never told" in " ".join(tell(change(SUBMITTED, (*plans, "+"), "TEAM")))
    gone = {path: text for path, text in FILES.items() if path != SUBMITTED}
    assert tell(gone) == ["SubmitJob: it is gone  (relied on by jobs)"]


def test_a_task_may_take_more_and_tell_more_but_not_less() -> None:
    params, result = (f"contracts/schemas/v1/task.echo.{one}.json" for one in ("params", "result"))
    assert tell(change(params, ("required",), [])) == []
    assert tell(change(result, ("required",), [])) != []


def test_a_sample_is_never_edited() -> None:
    path = "contracts/samples/v1/SubmitJob.json"
    assert tell(FILES | {path: "{}"}) == [f"{path}: a sample is never edited"]
    assert tell({name: text for name, text in FILES.items() if name != path}) == [
        f"{path}: a sample is gone"
    ]


def test_a_frozen_consumer_takes_a_sunset_and_nothing_else() -> None:
    assert tell(FILES, old=change(FROZEN, ("sunset_date",), GONE)) == []
    changes: list[tuple[Place, object]] = [
        (("sunset_date",), "2026-12-01"),
        (("answer", "status"), 204),
        (("deprecated",), False),
    ]
    for place, value in changes:
        assert tell(change(FROZEN, place, value)) == [
            f"{FROZEN}: it is frozen: only a sunset_date may be added"
        ]
    living = FROZEN.replace("listJobEvents", "readMe")
    assert tell(change(living, ("answer", "status"), 204)) == []


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
    assert list(compare_shapes(Shape(schema, {}), Shape(schema, {}), BOTH)) == []


def test_a_shape_that_holds_itself_has_an_end() -> None:
    root = {"$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}}}
    shape = Shape({"$ref": "#/$defs/Tree"}, root)
    assert list(compare_shapes(shape, shape, BOTH)) == []
