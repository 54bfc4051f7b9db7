"""Finds values of a JSON Schema on a page by labels, tables and the likeness of words.

Each value is literally in its quote, and each quote in a line of the page.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from msaas.agents.application.ports import Embedder

MAX_LEAVES: Final = 100
MAX_LINES: Final = 400
MAX_ROWS: Final = 200
MAX_VALUE: Final = 500
_RELATED: Final = 0.80
_LABELLED: Final = re.compile(r"^[\s>*#|-]*\**([^:*|]{1,60}?)\**\s*[:=]\s*\**\s*(\S.*?)\s*\**$")
_NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,]\d{3})*(?:[.,]\d+)?")
_FORMATS: Final[Mapping[str, re.Pattern[str]]] = {
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "uri": re.compile(r"https?://[^\s)>\"'\]]+"),
    "url": re.compile(r"https?://[^\s)>\"'\]]+"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "date-time": re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?"),
}
_RULE: Final = re.compile(r"^[\s|:-]+$")


@dataclass(frozen=True, slots=True)
class _Leaf:
    pointer: str
    schema: Mapping[str, Any]

    @property
    def words(self) -> str:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|[_/-]+", " ", self.pointer.rpartition("/")[2])
        return f"{self.schema.get('title', '')} {name} {self.schema.get('description', '')}".strip()


async def find_values(
    embedder: Embedder, schema: Any, lines: Sequence[str], errors: Sequence[str]
) -> list[dict[str, Any]]:
    """Return pointer, value and quote of what is found; what `errors` names is chosen anew."""
    lines = lines[:MAX_LINES]
    leaves = list(_list_leaves(schema, ""))[:MAX_LEAVES]
    wrong = {error.partition(":")[0] for error in errors}
    values = list(_read_tables(schema, lines))
    vectors: np.ndarray | None = None
    for leaf in leaves:
        found = _find_labelled(leaf, lines)
        if found is None and lines:
            if vectors is None:
                vectors = np.asarray(await embedder.embed(lines), dtype=np.float32)
            found = await _find_alike(embedder, leaf, lines, vectors, again=leaf.pointer in wrong)
        if found is not None:
            values.append({"pointer": leaf.pointer, "value": found[0], "quote": found[1]})
    return values[:500]


def _list_leaves(schema: Any, pointer: str) -> Iterator[_Leaf]:
    """List the single values; those of arrays are rows of tables."""
    for name, each in _properties(schema).items():
        at = f"{pointer}/{_escape(name)}"
        if _properties(each):
            yield from _list_leaves(each, at)
        elif _type(each) not in {"array", "object"}:
            yield _Leaf(at, each)


def _find_labelled(leaf: _Leaf, lines: Sequence[str]) -> tuple[Any, str] | None:
    """Find a line like `Name: value`."""
    names = {_plain(leaf.pointer.rpartition("/")[2]), _plain(str(leaf.schema.get("title", "")))}
    for line in lines:
        labelled = _LABELLED.match(line)
        if labelled and _plain(labelled[1]) in names - {""}:
            value = _read_value(leaf.schema, labelled[2])
            if value is not None:
                return value, line
    return None


async def _find_alike(
    embedder: Embedder, leaf: _Leaf, lines: Sequence[str], vectors: np.ndarray, *, again: bool
) -> tuple[Any, str] | None:
    query = np.asarray((await embedder.embed([leaf.words], query=True))[0], dtype=np.float32)
    likeness = vectors @ query
    found: list[tuple[Any, str]] = []
    order: list[int] = np.argsort(-likeness, kind="stable")[:20].tolist()
    for index in order:
        value = _read_value(leaf.schema, lines[index].lstrip("#>*- |"))
        if value is not None and likeness[index] >= _RELATED:
            found.append((value, lines[index]))
    return found[min(int(again), len(found) - 1)] if found else None


def _read_value(schema: Mapping[str, Any], text: str) -> Any:
    """Return the value that the text states, or None."""
    choices = schema.get("enum")
    if isinstance(choices, list):
        given = cast("list[Any]", choices)
        return next((c for c in given if isinstance(c, str) and c and c in text), None)
    match _type(schema):
        case "integer" | "number":
            return _read_number(text, whole=_type(schema) == "integer")
        case "boolean":
            return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower())
        case "string":
            pattern = _FORMATS.get(str(schema.get("format")))
            if pattern is None:
                return text[:MAX_VALUE].strip() or None
            matched = pattern.search(text)
            return matched[0] if matched else None
        case _:
            return None


def _read_number(text: str, *, whole: bool) -> int | float | None:
    """Read the first number; a point or comma before three digits groups them."""
    matched = _NUMBER.search(text)
    if matched is None:
        return None
    digits = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", matched[0]).replace(",", ".")
    if digits.count(".") > 1 or len(digits) > 15:  # noqa: PLR2004  # no longer exact as a float
        return None
    value = float(digits)
    return int(value) if value.is_integer() else None if whole else value


def _read_tables(schema: Any, lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read tables whose heads name the properties of an array's items."""
    for name, each in _properties(schema).items():
        fields = _properties(each.get("items"))
        if _type(each) == "array" and fields:
            for at, cells, row in _list_rows(fields, lines):
                for field, cell in cells.items():
                    value = _read_value(fields[field], cell)
                    if value is not None:
                        pointer = f"/{_escape(name)}/{at}/{_escape(field)}"
                        yield {"pointer": pointer, "value": value, "quote": row}


def _list_rows(
    fields: Mapping[str, Any], lines: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, str], str]]:
    known = {_plain(field): field for field in fields}
    columns: dict[int, str] = {}
    at = 0
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        heads = {i: known[_plain(cell)] for i, cell in enumerate(cells) if _plain(cell) in known}
        if "|" not in line:
            columns = {}
        elif len(heads) > 1 or len(heads) == len(fields):
            columns = heads
        elif columns and not _RULE.match(line) and len(cells) > max(columns):
            yield at, {field: cells[i] for i, field in columns.items()}, line
            at += 1
        if at >= MAX_ROWS:
            return


def _properties(schema: Any) -> Mapping[str, Mapping[str, Any]]:
    given = _mapping(_mapping(schema).get("properties"))
    return {name: _mapping(each) for name, each in given.items() if isinstance(each, Mapping)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _type(schema: Mapping[str, Any]) -> str:
    """Return the first type that is not null."""
    given = schema.get("type", "string")
    types = cast("list[Any]", given) if isinstance(given, list) else [given]
    return next((str(each) for each in types if each != "null"), "string")


def _plain(name: str) -> str:
    """Compare names by their letters and digits alone: `Light no.` is `light_no`."""
    return "".join(c for c in name.casefold() if c.isalnum())


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
