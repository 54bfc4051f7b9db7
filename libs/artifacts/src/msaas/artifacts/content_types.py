"""The kinds of files that are stored, by the extension of their name."""

from collections.abc import Mapping
from typing import Final

_CONTENT_TYPES: Final[Mapping[str, str]] = {
    "jpeg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
}


def find_content_type(name: str) -> str | None:
    """Return the content type, or None; no kind that a browser would execute is stored."""
    return _CONTENT_TYPES.get(name.rpartition(".")[2])
