"""The verifier of citations accepts a result as it is, and notices every change to it."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from services.agents.tests.support.citation_verifier import FILE, load_verifier

TEXTS = ("White carries furthest. Grün ist tief. 🙂 Ende.", "There are 42 lights.")
PAGES = [{"url": f"https://lights.example/{at}", "text": text} for at, text in enumerate(TEXTS)]


VERIFIER = load_verifier()


def _cite(at: int, quote: str) -> dict[str, Any]:
    start = TEXTS[at].index(quote)
    digest = sha256(TEXTS[at].encode()).hexdigest()
    place = {"start": start, "end": start + len(quote), "quote": quote}
    return {"url": PAGES[at]["url"], "sha256": digest, **place}


def _result() -> dict[str, Any]:
    citations = [_cite(0, "Grün ist tief. 🙂"), _cite(1, "42 lights"), _cite(0, "Ende.")]
    answer = "Grün ist tief. 🙂 [1]\nThere are 42 lights. [2] [3]"
    evidence = [
        {"pointer": "/lights", "source": _cite(1, "42"), "reason": None},
        {"pointer": "/none", "source": None, "reason": "not_found"},
    ]
    return {"answer": answer, "citations": citations, "evidence": evidence}


def _find(result: dict[str, Any], pages: list[dict[str, str]]) -> list[str]:
    return list(VERIFIER.check_result(result, pages))


CHANGES: tuple[tuple[str, Callable[[Any], object]], ...] = (
    ("url", lambda old: f"{old}x"),
    ("sha256", lambda old: old[::-1]),
    ("start", lambda old: old + 1),
    ("start", lambda old: old - 1),
    ("start", lambda _: -1),
    ("end", lambda old: old + 1),
    ("end", lambda old: old - 1),
    ("end", lambda old: old + 1_000),
    ("end", lambda _: 0),
    ("quote", lambda old: f"{old} "),
    ("quote", lambda old: f"{old.upper()}!"),
    ("quote", lambda _: ""),
)


def _mutate() -> Iterator[tuple[str, dict[str, Any], list[dict[str, str]]]]:
    """Yield each result or list of pages that differs from the right one in one thing."""
    for at in range(4):
        for name, change in CHANGES:
            result = _result()
            sources = [*result["citations"], result["evidence"][0]["source"]]
            sources[at][name] = change(sources[at][name])
            yield f"{name} of {at}", result, PAGES
    for at in range(2):
        pages = copy.deepcopy(PAGES)
        pages[at]["text"] = pages[at]["text"].replace(" ", "  ", 1)
        yield f"text of {at}", _result(), pages
        yield f"page {at}", _result(), [PAGES[1 - at]]
    for answer in ("No source.", "One [1]\nNone", "Wrong [4]", "Zero [0]"):
        yield answer, {**_result(), "answer": answer}, PAGES
    yield "no citations", {**_result(), "citations": []}, PAGES


def test_a_right_result_is_accepted() -> None:
    assert _find(_result(), PAGES) == []
    assert _find({"citations": [], "answer": "No answer was found in the pages."}, []) == []


def test_every_mutation_is_noticed() -> None:
    mutations = list(_mutate())
    missed = [name for name, result, pages in mutations if not _find(result, pages)]
    assert missed == []


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1), (None, 2)])
def test_the_command_says_which_citation_is_wrong(
    tmp_path: Path, *, broken: bool | None, code: int
) -> None:
    result = _result()
    if broken:
        result["citations"][1]["start"] += 1
    (tmp_path / "result").write_text("{" if broken is None else json.dumps(result))
    (tmp_path / "pages").write_text(json.dumps(PAGES))
    ended = subprocess.run(
        [sys.executable, "-I", FILE, tmp_path / "result", tmp_path / "pages"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == code, ended.stderr
    assert ("not ok: citation 2:" in ended.stdout) == bool(broken)
