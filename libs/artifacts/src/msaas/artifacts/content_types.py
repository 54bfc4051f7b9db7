"""Which files are kept at all: what a name's ending promises."""

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
    """Nothing that a browser would run: no HTML, no SVG, no script."""
    return _CONTENT_TYPES.get(name.rpartition(".")[2])
