"""Planted breaks are told, with whom they hit; additions are not."""

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
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

Change = Callable[[Any], object]


def tell(new: dict[str, str], old: dict[str, str] = FILES, today: date = TODAY) -> list[str]:
    return [str(one) for one in compare(old, new, today)]


def with_api(change: Change) -> dict[str, str]:
    document = yaml.safe_load(FILES[API])
    change(document)
    return FILES | {API: json.dumps(document)}


def with_json(path: str, change: Change) -> dict[str, str]:
    content = json.loads(FILES[path])
    change(content)
    return FILES | {path: json.dumps(content)}


def test_nothing_that_is_the_same_breaks() -> None:
    assert tell(FILES) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["paths"].pop("/me"), "readMe: GET /me is gone"),
        (lambda d: d["paths"]["/me"]["get"].update(operationId="me"), "readMe: its name is me"),
        (
            lambda d: d["components"]["schemas"]["Me"]["properties"].pop("plan"),
            "readMe: 200/plan is gone",
        ),
        (
            lambda d: d["components"]["schemas"]["Me"]["required"].remove("plan"),
            "readMe: 200/plan may be missing",
        ),
        (
            lambda d: d["components"]["schemas"]["Plan"]["enum"].append("TEAM"),
            "readMe: 200/plan: 'TEAM' was never told",
        ),
        (
            lambda d: d["components"]["schemas"]["JobRequest"]["required"].append("run_at"),
            "submitJob: body/run_at is required",
        ),
        (
            lambda d: d["components"]["schemas"]["JobRequest"]["properties"].pop("priority"),
            "submitJob: body/priority is not taken any more",
        ),
        (
            lambda d: d["components"]["schemas"]["JobRequest"]["properties"]["priority"].update(
                maximum=5
            ),
            "submitJob: body/priority: maximum is 5",
        ),
        (
            lambda d: d["paths"]["/jobs"]["get"]["parameters"].pop(),
            "listJobs: query created_after is not looked at any more",
        ),
        (
            lambda d: d["components"]["parameters"]["IdempotencyKey"].update(required=True),
            "submitJob: header Idempotency-Key is required",
        ),
        (
            lambda d: d["paths"]["/jobs"]["post"]["responses"].update(
                {"201": d["paths"]["/jobs"]["post"]["responses"].pop("202")}
            ),
            "submitJob: it does not answer 202 any more",
        ),
        (
            lambda d: d["paths"]["/jobs"]["post"]["responses"]["202"]["headers"].pop("Location"),
            "submitJob: 202: header Location is gone",
        ),
        (
            lambda d: d.update(security=[{"apiKey": []}]),
            "readMe: accessToken does not open it any more",
        ),
        (
            lambda d: d["components"]["schemas"]["JobSummary"]["properties"].update(
                progress={"type": "string"}
            ),
            "listJobs: 200/items/*/progress was object and may be string",
        ),
    ],
)
def test_a_break_of_the_api_is_told(change: Change, told: str) -> None:
    found = tell(with_api(change))
    assert any(one.startswith(told) for one in found), found


def test_those_who_rely_on_it_are_named() -> None:
    found = tell(with_api(lambda d: d["paths"].pop("/me")))
    assert found == ["readMe: GET /me is gone  (relied on by cli, dashboard)"]
    found = tell(with_json(SUBMITTED, lambda s: s["required"].append("deadline_ts")))
    assert found == ["SubmitJob: /deadline_ts is required  (relied on by jobs)"]


def add_freely(document: Any) -> None:
    """Add all that a version may add."""
    document["paths"]["/new"] = copy.deepcopy(document["paths"]["/me"])
    document["paths"]["/new"]["get"]["operationId"] = "readNew"
    document["security"].append({"apiKey": []})
    listing = document["paths"]["/jobs"]["get"]
    listing["parameters"].append({"name": "new", "in": "query", "schema": {"type": "string"}})
    listing["responses"]["429"] = listing["responses"]["503"]
    schemas = document["components"]["schemas"]
    schemas["Me"]["properties"]["new"] = {"type": "string"}
    schemas["Me"]["required"].append("new")
    schemas["JobRequest"]["properties"]["new"] = {"type": ["string", "null"]}
    schemas["JobRequest"]["properties"]["priority"]["maximum"] = 20
    del document["paths"]["/jobs"]["post"]["responses"]["403"]


def test_what_a_version_may_add_breaks_nothing() -> None:
    new = with_api(add_freely)
    schema = json.loads(new[SUBMITTED])
    schema["properties"]["new"] = {"type": "integer"}
    assert tell(new | {SUBMITTED: json.dumps(schema)}) == []


def test_what_is_past_its_sunset_may_go() -> None:
    without = {path: text for path, text in FILES.items() if path != FROZEN}
    document = yaml.safe_load(without[API])
    del document["paths"]["/jobs/{job_id}/events"]
    without[API] = json.dumps(document)
    assert tell(without, today=date(2027, 5, 31)) != []
    assert tell(without, today=date(2027, 6, 1)) == []


def test_a_message_breaks_by_what_it_takes_and_by_what_it_tells() -> None:
    def narrow(schema: Any) -> None:
        schema["$defs"]["Plan"]["enum"].remove("PRO")

    def widen(schema: Any) -> None:
        schema["$defs"]["Plan"]["enum"].append("TEAM")

    for change, words in ((narrow, "is not taken any more"), (widen, "was never told")):
        assert words in " ".join(tell(with_json(SUBMITTED, change)))
    gone = {path: text for path, text in FILES.items() if path != SUBMITTED}
    assert tell(gone) == ["SubmitJob: it is gone  (relied on by jobs)"]


def test_a_task_may_take_more_and_tell_more_but_not_less() -> None:
    params, result = (f"contracts/schemas/v1/task.echo.{one}.json" for one in ("params", "result"))
    assert tell(with_json(params, lambda s: s["required"].remove("message"))) == []
    assert tell(with_json(result, lambda s: s["required"].remove("message"))) != []


def test_a_sample_is_never_edited() -> None:
    path = "contracts/samples/v1/SubmitJob.json"
    assert tell(FILES | {path: "{}"}) == [f"{path}: a sample is never edited"]
    assert tell({name: text for name, text in FILES.items() if name != path}) == [
        f"{path}: a sample is gone"
    ]


def test_a_frozen_consumer_takes_a_sunset_and_nothing_else() -> None:
    words = json.loads(FILES[FROZEN])
    unset = {name: value for name, value in words.items() if name != "sunset_date"}
    old = FILES | {FROZEN: json.dumps(unset)}
    assert tell(FILES, old) == []
    for change in (
        lambda one: one.update(sunset_date="2026-12-01"),
        lambda one: one["answer"].update(status=204),
        lambda one: one.update(deprecated=False),
    ):
        assert tell(with_json(FROZEN, change)) == [
            f"{FROZEN}: it is frozen: only a sunset_date may be added"
        ]
    living = FROZEN.replace("listJobEvents", "readMe")
    assert tell(with_json(living, lambda one: one["answer"].update(status=204))) == []


PLAIN = st.sampled_from(
    [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "null"}, {"enum": ["a", "b"]}]
)
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one}, inner),
        st.builds(lambda many: {"anyOf": many}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda many: {"type": "object", "properties": many, "required": sorted(many)[:1]},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_a_schema_breaks_nothing_beside_itself(schema: Any) -> None:
    assert list(compare_shapes(Shape(schema, {}), Shape(schema, {}), BOTH)) == []


@given(SCHEMAS, SCHEMAS)
def test_what_narrows_one_way_widens_the_other(one: Any, other: Any) -> None:
    """Except for bounds and shut doors, which are nobody's to read: the test has none of these."""
    here, there = Shape(one, {}), Shape(other, {})
    narrows = list(compare_shapes(here, there, Direction.GIVEN))
    if not narrows and "properties" not in str(one):
        assert not [
            words
            for words in compare_shapes(there, here, Direction.TOLD)
            if "anything" not in words
        ]


def test_a_shape_that_holds_itself_has_an_end() -> None:
    root = {"$defs": {"Tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}}}
    shape = Shape({"$ref": "#/$defs/Tree"}, root)
    assert list(compare_shapes(shape, shape, BOTH)) == []


def test_the_tests_stand_on_the_files_of_the_house() -> None:
    assert {API, SUBMITTED, FROZEN} <= FILES.keys()
    assert Path(ROOT / API).is_file()
