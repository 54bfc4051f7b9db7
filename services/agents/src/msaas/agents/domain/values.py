"""Puts values into the shape of a JSON Schema; a value without a literal source is None."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import find_passage
from msaas.agents.domain.secrets import contains_secret

MAX_INDEX: Final = 499
MAX_DEPTH: Final = 12
_NUMBER: Final = re.compile(r"[-+\u2212]?\d+(?:[.,\u00a0\u202f' ]\d+)*")
_YES: Final = frozenset({"true", "yes", "ja", "oui", "si"})
_NO: Final = frozenset({"false", "no", "nein", "non"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedValue:
    """A value for a JSON pointer; without a source it is None, for the reason given."""

    pointer: str
    value: str | float | bool | None
    source: Passage | None = None
    reason: str | None = None


def ground_value(
    pointer: str, value: object, quote: str, documents: Sequence[Document]
) -> SourcedValue:
    """Return the value with the place where a document states it."""
    if not isinstance(value, str | int | float | bool):
        return SourcedValue(pointer=pointer, value=None, reason="not_a_value")
    passages = (find_passage(document, quote) for document in documents)
    passage = next((found for found in passages if found is not None), None)
    if passage is None:
        return SourcedValue(pointer=pointer, value=None, reason="quote_not_found")
    if contains_secret(passage.text):
        return SourcedValue(pointer=pointer, value=None, reason="looks_secret")
    if not states(passage.text, value):
        return SourcedValue(pointer=pointer, value=None, reason="value_not_in_quote")
    return SourcedValue(pointer=pointer, value=value, source=passage)


def states(quote: str, value: str | float) -> bool:
    """Whether the words of a quote state the value, as text, number or yes and no."""
    if isinstance(value, bool):
        words = set(re.findall(r"\w+", quote.lower()))
        return bool(words & (_YES if value else _NO))
    if isinstance(value, str):
        expected = " ".join(value.split())
        return bool(expected) and expected in " ".join(quote.split())
    return any(value in _read_number(found) for found in _NUMBER.findall(quote))


def _read_number(written: str) -> set[float]:
    """Return what a number may mean: a comma or a point may part thousands or decimals."""
    plain = re.sub(r"[\u00a0\u202f' ]", "", written.replace("\u2212", "-"))
    spellings = {plain.replace(",", ""), plain.replace(".", "").replace(",", ".")}
    return {float(spelling) for spelling in spellings if spelling.count(".") <= 1}


def build_object(values: Sequence[SourcedValue]) -> dict[str, Any]:
    """Return the object that has each value at its pointer; a later one does not replace."""
    root: dict[str, Any] = {}
    for each in values:
        _put(root, split_pointer(each.pointer), each.value)
    return root


def split_pointer(pointer: str) -> list[str]:
    parts = pointer.split("/")[1:] if pointer.startswith("/") else []
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _put(root: dict[str, Any], parts: Sequence[str], value: object) -> None:
    """Set a value deep inside; a pointer that does not fit what is there sets nothing."""
    if not 0 < len(parts) <= MAX_DEPTH:
        return
    at: Any = root
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        new: Any = value if following is None else [] if following.isdigit() else {}
        inner = _enter(at, part, new)
        if inner is _MISFIT:
            return
        at = inner


_MISFIT: Final = object()


def _enter(at: Any, part: str, new: Any) -> Any:
    """Return what is at a part, after putting `new` there if there is nothing."""
    if isinstance(at, dict):
        return cast("dict[str, Any]", at).setdefault(part, new)
    if not isinstance(at, list) or not part.isdigit() or int(part) > MAX_INDEX:
        return _MISFIT
    items = cast("list[Any]", at)
    items += [None] * (int(part) + 1 - len(items))
    if items[int(part)] is None:
        items[int(part)] = new
    return items[int(part)]


def list_leaves(schema: Mapping[str, Any], pointer: str = "", depth: int = 0) -> list[str]:
    """Return the pointers of the single values that a schema of objects names."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or depth >= MAX_DEPTH:
        return [pointer] if pointer and schema.get("type") not in {"array", "object"} else []
    named = cast("Mapping[str, Any]", properties)
    return [
        leaf
        for name, inner in named.items()
        if isinstance(inner, Mapping)
        for leaf in list_leaves(
            cast("Mapping[str, Any]", inner),
            f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}",
            depth + 1,
        )
    ]
