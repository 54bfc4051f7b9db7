"""The search language: what is understood, what is refused and where."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.domain.search_parser import MAX_LENGTH, count_units, parse_search
from msaas.gateway.domain.search_terms import (
    Date,
    Duration,
    Match,
    Number,
    Pattern,
    SearchError,
    Words,
)

EXAMPLES: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "contracts/search/examples.json").read_text()
)


def test_a_search_is_a_list_of_terms() -> None:
    text = '-status:FAILED,queued type:a_*,"b *" cost:>0.5 age:<=90m created:2026-01-31 "a \\" b" -'
    assert parse_search(text) == (
        Match("status", (Pattern("failed"), Pattern("queued")), negated=True),
        Match("type", (Pattern("a_*"), Pattern("b *", exact=True))),
        Number("cost", ">", Decimal("0.5")),
        Duration("age", "<=", timedelta(minutes=90)),
        Date("created", "=", datetime(2026, 1, 31, tzinfo=UTC), is_day=True),
        Words('a " b'),
        Words("-"),
    )


@pytest.mark.parametrize("example", EXAMPLES["errors"], ids=lambda example: example["text"])
def test_what_is_no_search_is_refused_with_its_place(example: dict[str, Any]) -> None:
    with pytest.raises(SearchError) as caught:
        parse_search(example["text"])
    error = caught.value
    assert (error.code, error.start, error.end) == (
        example["code"],
        example["start"],
        example["end"],
    )


@pytest.mark.parametrize(
    ("text", "code", "start", "end"),
    [
        ("x" * (MAX_LENGTH + 1), "too_long", MAX_LENGTH, MAX_LENGTH + 1),
        ("\N{GRINNING FACE}" * 501, "too_long", MAX_LENGTH, MAX_LENGTH + 2),
        ("a\0b", "null_character", 1, 2),
    ],
)
def test_a_text_that_no_search_can_have_is_refused(
    text: str, code: str, start: int, end: int
) -> None:
    with pytest.raises(SearchError) as caught:
        parse_search(text)
    assert (caught.value.code, caught.value.start, caught.value.end) == (code, start, end)


def test_an_unknown_word_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(SearchError) as caught:
        parse_search("source:email")
    assert caught.value.allowed == ("dashboard", "api", "agent", "schedule", "replay")


PIECES = st.sampled_from(["status:", "age:<", "created:", "type:", "-", '"', "\\", ",", "*", " "])


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_any_text_is_understood_or_refused_with_a_place_in_it(text: str) -> None:
    place = (0, 1)
    try:
        parse_search(text)
    except SearchError as error:
        place = (error.start, error.end)
    assert 0 <= place[0] < place[1]
    assert place[0] <= count_units(text)
