"""The workflow extract: values by a schema, each with a literal source, and one repair."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from services.agents.tests.support.fake_context import (
    FakeContext,
    FakePage,
    make_run,
    run_to_ceiling,
    run_workflow,
)

from msaas.agents.domain.models import ModelRequest
from msaas.agents.domain.values import states
from msaas.agents.workflows.extract import ExtractWorkflow
from msaas.agents.workflows.validation import build_validator, find_errors
from msaas.contracts import ExtractResult

URL = "https://shop.example/lamp"
TEXT = "# Lamp\n\nPrice: 1,299.50 EUR. In stock: yes.\n\nColours: white, red\n"
SCHEMA = {
    "type": "object",
    "required": ["name", "price"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "price": {"type": "number"},
        "in_stock": {"type": "boolean"},
        "colours": {"type": "array", "items": {"type": "string"}},
        "weight": {"type": "number"},
    },
}
WORKFLOW = ExtractWorkflow()


def _value(pointer: str, value: object, quote: str) -> dict[str, object]:
    return {"pointer": pointer, "value": value, "quote": quote}


GOOD = [
    _value("/name", "Lamp", "# Lamp"),
    _value("/price", 1299.5, "Price: 1,299.50 EUR."),
    _value("/in_stock", bool(1), "In stock: yes."),
    _value("/colours/0", "white", "Colours: white, red"),
    _value("/colours/1", "red", "Colours: white, red"),
]


async def _extract(first: list[Any], second: list[Any] | None = None) -> tuple[Any, FakeContext]:
    def model(request: ModelRequest) -> Mapping[str, Any]:
        return {"values": first if request.purpose == "read" else second or []}

    run = make_run(WORKFLOW, urls=[URL], instruction="The lamp", output_schema=SCHEMA)
    ctx = FakeContext(run, {URL: FakePage(TEXT)}, model)
    result = WORKFLOW.result(await run_workflow(WORKFLOW, ctx), None)
    assert isinstance(result, ExtractResult)
    for each in result.evidence:
        assert (each.source is None) == (each.reason is not None)
        if each.source:
            assert TEXT[each.source.start : each.source.end] == each.source.quote
    return result, ctx


async def test_values_have_the_shape_of_the_schema_and_a_source() -> None:
    result, _ = await _extract(GOOD)
    assert result.values == {
        "name": "Lamp",
        "price": 1299.5,
        "in_stock": True,
        "colours": ["white", "red"],
        "weight": None,
    }
    reasons = {each.pointer: each.reason for each in result.evidence if each.reason}
    assert reasons == {"/weight": "not_found"}


async def test_a_value_that_no_page_states_is_null_with_a_reason() -> None:
    invented = [
        _value("/weight", 12, "Weight: 12 kg"),
        _value("/price", 99, "Price: 1,299.50 EUR."),
    ]
    result, ctx = await _extract(invented, invented)
    assert result.values["weight"] is None
    assert result.values["price"] is None
    reasons = {each.pointer: each.reason for each in result.evidence}
    assert reasons["/weight"] == "quote_not_found"
    assert reasons["/price"] == "value_not_in_quote"
    assert set(ctx.requests) == {"read", "repair"}


async def test_one_repair_corrects_what_does_not_fit_and_keeps_the_rest() -> None:
    wrong = [GOOD[0], _value("/price", "1,299.50", "Price: 1,299.50 EUR."), *GOOD[2:]]
    result, ctx = await _extract(wrong, [GOOD[1], _value("/name", "red", "Colours: white, red")])
    assert result.values["price"] == 1299.5
    assert result.values["name"] == "Lamp"
    task = json.loads(ctx.requests["repair"].messages[-1].text)
    assert any(error.startswith("/price:") for error in task["errors"])


async def test_what_still_does_not_fit_is_null() -> None:
    wrong = [_value("/price", "1,299.50", "Price: 1,299.50 EUR.")]
    odd = [_value("/other", "Lamp", "# Lamp")]
    result, _ = await _extract([GOOD[0], *wrong, *odd], wrong)
    assert result.values["price"] is None
    assert "other" not in result.values
    assert result.values["name"] == "Lamp"
    reasons = {each.pointer: each.reason for each in result.evidence}
    assert (reasons["/other"], reasons["/price"]) == ("not_in_schema", "does_not_fit_schema")


async def test_a_run_at_its_ceiling_has_the_values_so_far() -> None:
    ctx = FakeContext(
        make_run(WORKFLOW, urls=[URL], instruction="x", output_schema=SCHEMA),
        {URL: FakePage(TEXT)},
        lambda _: {"values": GOOD[:2]},
    )
    ctx.calls_left = 1
    result = WORKFLOW.result(await run_to_ceiling(WORKFLOW, ctx), "tokens")
    assert isinstance(result, ExtractResult)
    assert result.partial_reason == "tokens"
    assert result.values["price"] == 1299.5


@pytest.mark.parametrize(
    ("quote", "value", "stated"),
    [
        ("1.299,50 EUR", 1299.5, True),
        ("1 299 EUR", 1299, True),
        ("-5 C", -5, True),
        ("1,299.50", 1299, False),
        ("2024-05-01", 2024, True),
        ("yes", True, True),
        ("yes", False, False),
        ("a  long\nname", "long name", True),
        ("anything", "", False),
        ("1.2.3.4", 1.2, False),
    ],
)
def test_a_quote_states_what_it_says(quote: str, value: str | float, *, stated: bool) -> None:
    assert states(quote, value) is stated


def test_a_schema_fetches_nothing_and_runs_no_pattern() -> None:
    remote = build_validator({"$ref": "http://127.0.0.1:9/schema"})
    assert remote is not None
    assert find_errors(remote, {}) == {"": "The schema cannot be applied."}
    slow = build_validator({"properties": {"a": {"type": "string", "pattern": "(a+)+$"}}})
    assert slow is not None
    assert find_errors(slow, {"a": "a" * 60 + "!"}) == {}
    named = build_validator({"properties": {"pattern": {"type": "number"}}})
    assert named is not None
    assert find_errors(named, {"pattern": "x"}) == {"/pattern": "'x' is not of type 'number'"}
    assert build_validator({"type": "nothing"}) is None
    endless = build_validator({"$ref": "#"})
    assert endless is not None
    assert find_errors(endless, {}) == {"": "The schema cannot be applied."}
