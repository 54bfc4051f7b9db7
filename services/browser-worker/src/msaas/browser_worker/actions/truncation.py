"""Cuts text to the size of a result."""

from bisect import bisect_right
from typing import Final

from pydantic import TypeAdapter

from msaas.contracts import MAX_INLINE_RESULT

# For the field that shows whether the text was cut.
_RESERVED_BYTES: Final = 16
_JSON: Final = TypeAdapter(str)


def truncate_to_result(text: str, used_bytes: int) -> str:
    """Return as much of the text as goes into a result of which so many bytes are taken."""
    available = MAX_INLINE_RESULT - used_bytes - _RESERVED_BYTES
    return text[: bisect_right(range(len(text)), available, key=lambda n: _size(text[: n + 1]))]


def _size(text: str) -> int:
    return len(_JSON.dump_json(text))
