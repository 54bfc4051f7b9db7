"""Every problem is translated completely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import LANGUAGES, PROBLEMS, choose_language, get_translated_problem


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_all_texts_in_every_language(language: str, code: str) -> None:
    told, meant = get_translated_problem(language, code), PROBLEMS[code]
    assert all(text.strip() for text in (told.title, told.cause, told.action))
    assert (told.code, told.status, told.retryable) == (code, meant.status, meant.retryable)
    assert (told.title == meant.title) == (language == "en")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE;q=0.4", "de"),
        ("fr, de;q=0.5", "de"),
        ("en;q=0.9, de;q=0.8", "en"),
        ("de;q=0.8, en;q=0.9", "en"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("fr", "en"),
        ("de;q=nan", "en"),
        (", ".join(["fr"] * 100 + ["de"]), "en"),
    ],
)
def test_accept_language_selects_the_language(accepted: str, chosen: str) -> None:
    assert choose_language(accepted) == chosen


@given(st.text())
def test_any_header_selects_a_supported_language(accepted: str) -> None:
    assert choose_language(accepted) in LANGUAGES
