"""Which files are kept at all: what a name's ending promises."""

from collections.abc import Mapping
from typing import Final

_KINDS: Final[Mapping[str, str]] = {
    "jpeg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
}


def content_type_of(name: str) -> str | None:
    """Nothing that a browser would run: no HTML, no SVG, no script."""
    return _KINDS.get(name.rpartition(".")[2])
