"""The offline provider chooses what is literally there; with its embeddings it chooses well."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from msaas.agents.adapters.embeddings import BATCH, MAX_CHARACTERS, LocalEmbedder
from msaas.agents.adapters.models.fallback import FallbackModels, PricedProvider
from msaas.agents.adapters.models.offline import OfflineProvider
from msaas.agents.adapters.models.prices import FREE
from msaas.agents.adapters.models.sentences import split_sentences
from msaas.agents.domain.errors import ModelUnavailable
from msaas.agents.domain.models import ChatMessage, ModelAnswer, ModelRequest, Purpose
from msaas.telemetry import Metrics

PAGE = """# How a light is read

Every light speaks in its own rhythm, so that a ship knows by night which one it sees.

White carries furthest. Red and green are kept for sectors: red where the water is shallow, green
where it is deep.

A light that is longer on than off is called *occulting*; one that is longer off than on is called
*flashing*.

| No. | Light | Built | Height | Range |
| --- | --- | --- | --- | --- |
| 1 | Anvil Head | 1827 | 23 m | 14 nm |
| 2 | Bramble Head | 1864 | 34 m | 1,900 nm |

Keeper: **Ada Penhallow**
Contact: ada@almanac.example
Founded: 1790

[Home](/) [Article](/article) [Lights](/list) [Report](/form)"""
LINES = tuple(line.strip() for line in PAGE.splitlines() if line.strip())

FINDINGS = {
    "title": "findings",
    "type": "object",
    "required": ["findings", "enough"],
    "properties": {"findings": {"type": "array"}, "enough": {"type": "boolean"}},
}
VALUES = {"title": "values", "type": "object", "required": ["values"]}
PLAN = {"title": "plan", "type": "object", "required": ["questions", "open"]}


@pytest.fixture(scope="module")
def embedder() -> Iterator[LocalEmbedder]:
    embedder = LocalEmbedder()
    yield embedder
    asyncio.run(embedder.close())


@pytest.fixture
def models(embedder: LocalEmbedder) -> FallbackModels:
    provider = PricedProvider(OfflineProvider(embedder), FREE)
    return FallbackModels([provider], Metrics("agents", "test"))


async def ask(
    models: FallbackModels,
    purpose: Purpose,
    task: dict[str, Any],
    *,
    schema: dict[str, Any] | None = None,
    passages: tuple[str, ...] = LINES,
    max_tokens: int = 500,
) -> ModelAnswer:
    request = ModelRequest(
        purpose=purpose,
        messages=(ChatMessage("user", PAGE), ChatMessage("user", json.dumps(task))),
        max_tokens=max_tokens,
        json_schema=schema,
        passages=passages,
    )
    most, cost = models.bound_cost(request)
    answer = await models.complete(request)
    assert answer.cost_micro_usd == cost == 0
    assert 0 < answer.usage.tokens_in + answer.usage.tokens_out <= most
    assert (answer.provider, answer.model) == ("offline", "extractive")
    return answer


@pytest.mark.parametrize(
    ("question", "best", "enough"),
    [
        ("What is an occulting light?", "is called *occulting*", True),
        ("Which colour carries furthest?", "White carries furthest.", True),
        ("How high is Anvil Head?", "Anvil Head | 1827 | 23 m", True),
        ("What does the Pro plan cost?", None, False),
        ("Who is the president of France?", None, False),
        ("", None, False),
    ],
)
async def test_quotes_answer_the_question_or_there_are_none(
    *, question: str, best: str | None, enough: bool, models: FallbackModels
) -> None:
    answer = await ask(models, "read", {"question": question}, schema=FINDINGS)
    assert answer.parsed is not None
    quotes = [each["quote"] for each in answer.parsed["findings"]]
    assert all(any(quote in line for line in LINES) for quote in quotes)
    assert answer.parsed["enough"] is enough
    if best is None:
        assert quotes == []
    else:
        assert best in quotes[0]


async def test_an_answer_is_made_of_literal_sentences_and_names_its_passages(
    models: FallbackModels,
) -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    task = json.dumps({"question": "When is red used, and which colour carries furthest?"})
    request = ModelRequest(
        purpose="write", messages=(ChatMessage("user", task),), max_tokens=300, passages=LINES
    )
    answer = await models.complete(request, show)
    assert "".join(shown) == answer.text
    lines = answer.text.splitlines()
    assert lines
    for line in lines:
        sentence, _, number = line.removesuffix("]").rpartition(" [")
        assert sentence in LINES[int(number) - 1]
    assert "White carries furthest." in answer.text


async def test_an_answer_keeps_to_its_limit_and_says_nothing_without_passages(
    models: FallbackModels,
) -> None:
    short = await ask(models, "write", {"question": "When is red used?"}, max_tokens=2)
    assert short.text == ""
    empty = await ask(models, "write", {"question": "When is red used?"}, passages=())
    assert empty.text == ""


async def test_a_plan_opens_what_was_given(models: FallbackModels) -> None:
    task = {"question": "Who keeps it? Since when?", "seeds": ["https://a.example/"]}
    answer = await ask(models, "plan", task, schema=PLAN)
    assert answer.parsed == {
        "questions": ["Who keeps it?", "Since when?"],
        "open": ["https://a.example/"],
    }


async def test_values_are_read_from_labels_and_tables(models: FallbackModels) -> None:
    schema = {
        "type": "object",
        "properties": {
            "keeper": {"type": "string"},
            "contact": {"type": ["null", "string"], "format": "email"},
            "founded": {"type": "integer"},
            "lights": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "light": {"type": "string"},
                        "height": {"type": "integer"},
                        "range": {"type": "number"},
                    },
                },
            },
        },
    }
    task = {"instruction": "Read the register.", "output_schema": schema}
    answer = await ask(models, "read", task, schema=VALUES)
    assert answer.parsed is not None
    values = {each["pointer"]: each["value"] for each in answer.parsed["values"]}
    assert values == {
        "/lights/0/light": "Anvil Head",
        "/lights/0/height": 23,
        "/lights/0/range": 14,
        "/lights/1/light": "Bramble Head",
        "/lights/1/height": 34,
        "/lights/1/range": 1900,
        "/keeper": "Ada Penhallow",
        "/contact": "ada@almanac.example",
        "/founded": 1790,
    }
    for each in answer.parsed["values"]:
        assert each["quote"] in LINES
        if isinstance(each["value"], str):
            assert each["value"] in each["quote"]


@pytest.mark.parametrize(
    "schema",
    [None, [], "text", {"properties": 5}, {"properties": {"a": 5, "b": {"type": 7}}}, {"type": []}],
)
async def test_no_schema_is_too_odd(schema: object, models: FallbackModels) -> None:
    task = {"instruction": "x", "output_schema": schema, "errors": ["/a: wrong"]}
    answer = await ask(models, "repair", task, schema=VALUES)
    assert answer.parsed is not None


async def test_changes_are_listed_in_their_order(models: FallbackModels) -> None:
    answer = await ask(
        models, "compare", {"instruction": "x"}, passages=("The price is 5.", "The price is 6.")
    )
    assert answer.text == "The price is 5. [1]\nThe price is 6. [2]\n"


async def test_what_it_does_not_know_is_refused(models: FallbackModels) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        await ask(models, "heal", {}, schema={"title": "other"})
    assert caught.value.context["reasons"] == ("offline: unsupported",)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith came. He left!", ["Dr. Smith came.", "He left!"]),
        ("It costs 3.50 EUR. Cheap.", ["It costs 3.50 EUR.", "Cheap."]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("# Title\n\n- first item\n- second item", ["Title", "first item", "second item"]),
        ("\n \n--\n", []),
        (
            "A sentence that is\nwrapped. Another\none.",
            ["A sentence that is wrapped.", "Another one."],
        ),
        ("- an item that\n  goes on\n- the next", ["an item that goes on", "the next"]),
        ("A row:\n| St. Abbs | 1862 |", ["A row:", "St. Abbs | 1862"]),
    ],
)
def test_sentences_are_literal(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


def test_headings_of_texts_and_of_tables_state_nothing() -> None:
    text = "# Lights\n\nThey shine.\n\n| No. | Light |\n| --- | --- |\n| 1 | North Light |"
    assert list(split_sentences(text, headings=False)) == ["They shine.", "1 | North Light"]


async def test_any_text_has_a_vector_and_a_known_one_its_vector_again(
    embedder: LocalEmbedder,
) -> None:
    texts = ["", "\0", "\ud800", "x" * (MAX_CHARACTERS + 5), *(f"n{n}" for n in range(BATCH))]
    vectors = await embedder.embed([*texts, "n1"])
    assert len(vectors) == len(texts) + 1
    assert {len(vector) for vector in vectors} == {embedder.dimensions}
    assert vectors[-1] == vectors[texts.index("n1")]
    assert await embedder.embed(["n1"]) == [vectors[-1]]
    assert await embedder.embed(["n1"], query=True) != [vectors[-1]]
    assert await embedder.embed([]) == []
