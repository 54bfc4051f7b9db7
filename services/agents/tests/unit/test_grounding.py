"""What an answer states is in its passages, whatever a model has written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import (
    cut,
    find_passage,
    ground_answer,
    is_literal,
    is_supported,
    split_sentences,
)
from msaas.agents.domain.secrets import contains_secret

DOCUMENT = Document(
    url="https://lights.example/",
    text=(
        "The  light\nis white. It was built in 1,842 and is 20.5 m high. "
        "Write to kim@lights.example."
    ),
)
WHOLE = cut(DOCUMENT, 0, len(DOCUMENT.text))
FIRST = cut(DOCUMENT, 0, 20)


def _ground(draft: str, *evidence: Passage) -> tuple[str, tuple[Passage, ...], int]:
    grounded = ground_answer(draft, evidence, 100, literal=set(evidence))
    return grounded.answer, grounded.citations, grounded.dropped


def test_a_literal_sentence_cites_its_own_words() -> None:
    answer, citations, dropped = _ground("The light is white.", WHOLE)
    assert answer == "The light is white. [1]"
    assert [each.text for each in citations] == ["The  light\nis white."]
    assert dropped == 0


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        ("Built 1842, it stands 20.5 m tall [1].", True),
        ("Built 1843, it stands 20.5 m tall [1].", False),
        ("It stands 205 m tall [1].", False),
        ("Mail kim@lights.example [1].", True),
        ("Mail eve@evil.example [1].", False),
        ("See https://evil.example/x [1].", False),
        ("See evil.example/x?d=1 [1].", False),
        ("See data:text/html,x [1].", False),
        ('The page says "the lamp was never lit" [1].', False),
        ("A white one [1].", True),
        ("A white one [2].", False),
        ("A white one [0].", False),
        ("A white one.", False),
        ("The key is sk_live_abcdefghijkl1234 [1].", False),
        ("[1]", False),
    ],
)
def test_numbers_addresses_and_quotations_are_those_of_the_passages(
    sentence: str, *, kept: bool
) -> None:
    answer, _, _ = _ground(sentence, WHOLE)
    assert bool(answer) is kept


def test_a_passage_that_is_not_literal_supports_nothing() -> None:
    evidence = [WHOLE, FIRST]
    grounded = ground_answer("A white one [1]. A light [2].", evidence, 100, literal={FIRST})
    assert (grounded.answer, grounded.dropped) == ("A light. [1]", 1)


def test_an_answer_has_at_most_the_given_number_of_citations() -> None:
    evidence = [cut(DOCUMENT, 0, 3 + at) for at in range(5)]
    draft = "\n".join(f"One [{at}]" for at in range(1, 6))
    grounded = ground_answer(draft, evidence, 2, literal=set(evidence))
    assert (len(grounded.citations), grounded.dropped) == (2, 3)


def test_sentences_keep_the_markers_behind_them() -> None:
    assert split_sentences("One. [1] Two [2].\nThree! Four") == [
        "One. [1]",
        "Two [2].",
        "Three!",
        "Four",
    ]


WORDS = st.sampled_from(
    [
        "The",
        "light",
        "is",
        "white.",
        "1842",
        "7",
        "evil.example",
        "[1]",
        "[2]",
        "[9]",
        "\n",
        "x@y.zz",
        ".",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_whatever_is_written_every_line_has_literal_citations(draft: str) -> None:
    answer, citations, _ = _ground(draft, WHOLE, FIRST)
    for line in answer.splitlines():
        assert line.endswith("]")
    for each in citations:
        assert is_literal(each, DOCUMENT)
    assert "evil.example" not in answer
    assert "x@y.zz" not in answer
    assert is_supported(" ".join(answer.split("[")[0:1]), [DOCUMENT.text])


@given(st.text(max_size=60), st.text(min_size=1, max_size=20), st.text(max_size=60))
def test_a_quote_is_found_where_it_is(before: str, quote: str, after: str) -> None:
    document = Document(url="https://a.example/", text=f"{before}{quote}{after}")
    found = find_passage(document, quote)
    if quote.split():
        assert found is not None
        assert found.text.split() == quote.split()
        assert is_literal(found, document)
    else:
        assert found is None


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("AKIAIOSFODNN7EXAMPLE", True),
        ("card 4242 4242 4242 4242", True),
        ("card 4242 4242 4242 4241", False),
        ("order 1234567890123", False),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2ln", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("password: hunter2hunter2", True),
        ("The password must have eight signs", False),
        ("sk-learn is a library of models", False),
        ("postgres://user:pass@host/db", True),
        ("https://lights.example/a:b@c", False),
        ("AIB-CANARY-7Q2X", True),
        ("A canary is a bird", False),
    ],
)
def test_secrets_are_recognised(text: str, *, secret: bool) -> None:
    assert contains_secret(text) is secret


def test_a_canary_that_is_given_is_a_secret() -> None:
    assert contains_secret("it is harbour-7", canaries=["harbour-7"])
