"""Cuts texts into sentences that are literally in them."""

import re
from collections.abc import Iterator
from typing import Final

MIN_CHARACTERS: Final = 3
MAX_SENTENCE: Final = 600
# What begins a line that continues no paragraph; and the line under the head of a table.
_BLOCK: Final = re.compile(r"[#>|]|[-*+•] |\d+[.)] ")
_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
# The end of a sentence: its mark, closing quotes, and a space before something that begins one.
_CLOSING: Final = "[\"'\u201d\u2019)\\]]*"
_OPENING: Final = "[\"'\u201c\u2018(\\[]*"
_FULL_WIDTH: Final = "\u3002\uff01\uff1f"  # no space follows them
_END: Final = re.compile(
    rf"(?<=[.!?\u2026{_FULL_WIDTH}]){_CLOSING}(?:\s+(?={_OPENING}[^\W_a-z])|(?<=[{_FULL_WIDTH}]))"
)
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|e\.g|i\.e|z\.B|ca|approx|Inc|Ltd)|\b[A-Z])\.$"
)
_LINK: Final = re.compile(r"!?\[[^\]]*\]\([^)]*\)")
_WORD: Final = re.compile(r"\w+")
_MIN_WORDS: Final = 3
_CHARACTER: Final = re.compile(r"[^\W\d_]|\d")


def split_sentences(text: str, *, headings: bool = True) -> Iterator[str]:
    """Yield the sentences, with the lines of a paragraph joined and its markup left out.

    A row of a table is one sentence; without `headings` those of the text and of tables are left
    out, since they state nothing.
    """
    for paragraph in _split_paragraphs(text, headings=headings):
        whole = [paragraph] if paragraph.startswith("|") else _split_line(paragraph)
        for sentence in whole:
            clean = sentence.strip().lstrip("#>*-•|").strip(" |")[:MAX_SENTENCE].strip()
            if len(_CHARACTER.findall(clean)) >= MIN_CHARACTERS:
                yield clean


def _split_paragraphs(text: str, *, headings: bool) -> Iterator[str]:
    lines = [line.strip() for line in text.splitlines()]
    paragraph: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        is_heading = line.startswith("#") or bool(_RULE.fullmatch(following))
        if not line or _BLOCK.match(line) or is_heading:
            yield from _join(paragraph)
            paragraph = []
        if is_heading and not headings:
            continue
        if line.startswith(("#", "|")):
            yield line
        elif line:
            paragraph.append(line)
    yield from _join(paragraph)


def _join(paragraph: list[str]) -> Iterator[str]:
    if paragraph:
        yield " ".join(paragraph)


def _split_line(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        quoted = not line[end.start()].isspace()
        if quoted or not _ABBREVIATION.search(line[start : end.start()]):
            yield line[start : end.end()]
            start = end.end()
    yield line[start:]


def says_something(sentence: str) -> bool:
    """Leave out headings of a word or two, pictures and lists of links."""
    rest = _LINK.sub("", sentence).strip()
    words = len(_WORD.findall(rest))
    if words < len(_LINK.findall(sentence)):
        return False
    return words >= _MIN_WORDS or rest.endswith((".", "!", "?", *_FULL_WIDTH))
