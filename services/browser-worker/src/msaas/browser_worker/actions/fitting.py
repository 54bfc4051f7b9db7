"""Cuts text to what a result may hold."""

from bisect import bisect_right
from typing import Final

from pydantic import TypeAdapter

from msaas.contracts import MAX_INLINE_RESULT

# For the word that says whether it was cut.
_SLACK: Final = 16
_JSON: Final = TypeAdapter(str)


def fit(text: str, taken: int) -> str:
    """Return as much of the text as goes into a result of which so many bytes are taken."""
    room = MAX_INLINE_RESULT - taken - _SLACK
    return text[: bisect_right(range(len(text)), room, key=lambda n: _size(text[: n + 1]))]


def _size(text: str) -> int:
    return len(_JSON.dump_json(text))
