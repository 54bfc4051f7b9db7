"""Cuts texts into sentences that are literally in them."""

import re
from collections.abc import Iterator
from typing import Final

MIN_CHARACTERS: Final = 3
MAX_SENTENCE: Final = 600
_LINE: Final = re.compile(r"[^\n]+")
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


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences; lines end them, and markup at the ends of a line is left out."""
    for line in _LINE.finditer(text):
        for sentence in _split_line(line[0]):
            clean = sentence.strip().lstrip("#>*-•|").strip()[:MAX_SENTENCE].strip()
            if len(_CHARACTER.findall(clean)) >= MIN_CHARACTERS:
                yield clean


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
