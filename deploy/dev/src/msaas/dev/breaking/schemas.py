"""Compares two JSON Schemas: what a change would break for readers or writers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Final, cast

_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT_KEYWORDS: Final = ("pattern", "format", "const")


class DataFlow(Flag):
    """Who relies on the schema: those who send it, those who receive it, or both."""

    INPUT = auto()
    OUTPUT = auto()


@dataclass(frozen=True)
class SchemaNode:
    """A schema and the document in which its references point."""

    schema: Mapping[str, Any]
    root: Mapping[str, Any]

    def with_schema(self, schema: Any) -> "SchemaNode":
        return SchemaNode(cast("Mapping[str, Any]", schema), self.root)

    def resolved(self) -> "SchemaNode":
        schema = self.schema
        while "$ref" in schema:
            schema = resolve_pointer(self.root, schema["$ref"])
        if "allOf" not in schema:
            return self.with_schema(schema)
        parts = [schema, *(self.with_schema(part).resolved().schema for part in schema["allOf"])]
        return self.with_schema(
            {name: value for part in parts for name, value in part.items() if name != "allOf"}
            | {
                "properties": {k: v for p in parts for k, v in p.get("properties", {}).items()},
                "required": [name for part in parts for name in part.get("required", ())],
            }
        )

    def variants(self) -> list["SchemaNode"]:
        """Return schemas of at most one type each."""
        here = self.resolved()
        options = here.schema.get("anyOf") or here.schema.get("oneOf")
        if options:
            return [
                variant for option in options for variant in self.with_schema(option).variants()
            ]
        types = here.schema.get("type")
        if not isinstance(types, list):
            return [here]
        return [
            here.with_schema(_narrow_to_type(here.schema, name))
            for name in cast("list[str]", types)
        ]


def resolve_pointer(root: Mapping[str, Any], reference: str) -> Any:
    value: Any = root
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def _narrow_to_type(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name == "null":
        return {"type": "null"}
    enum = [value for value in schema.get("enum", ()) if value is not None]
    return {**schema, "type": name} | ({"enum": enum} if enum else {})


def compare_schemas(
    old: SchemaNode, new: SchemaNode, flow: DataFlow, path: str = "", depth: int = 12
) -> Iterator[str]:
    """List the breaks, down to `depth`: a schema may contain itself."""
    if depth == 0:
        return
    olds, news = old.variants(), new.variants()
    if DataFlow.INPUT in flow:
        for variant in olds:
            yield from _best_match(
                [
                    _find_narrowing(variant, other, path, depth)
                    for other in _same_type(variant, news)
                ]
            )
    if DataFlow.OUTPUT in flow:
        for variant in news:
            yield from _best_match(
                [_find_widening(other, variant, path, depth) for other in _same_type(variant, olds)]
            )


def _same_type(schema: SchemaNode, others: Sequence[SchemaNode]) -> Sequence[SchemaNode]:
    same = [other for other in others if other.schema.get("type") == schema.schema.get("type")]
    return same or others


def _best_match(found: Sequence[Iterator[str]]) -> list[str]:
    return min((list(breaks) for breaks in found), key=len)


def _find_narrowing(old: SchemaNode, new: SchemaNode, path: str, depth: int) -> Iterator[str]:
    """Name what was taken and would be refused."""
    was, now = old.schema, new.schema
    types = (was.get("type"), now.get("type"))
    if types[1] is not None and types[0] != types[1] and types != ("integer", "number"):
        yield f"{path} was {types[0] or 'anything'} and has to be {types[1]}"
        return
    yield from _compare_enums(was, now, path, "is no longer accepted")
    yield from _compare_bounds(was, now, path)
    required = set(now.get("required", ())) - set(was.get("required", ()))
    yield from (f"{path}/{name} is required" for name in sorted(required))
    if now.get("additionalProperties") is False:
        gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
        yield from (f"{path}/{name} is no longer accepted" for name in sorted(gone))
        if was.get("additionalProperties") is not False and was.get("type") == "object":
            yield f"{path} no longer accepts additional fields"
    yield from _compare_children(old, new, DataFlow.INPUT, path, depth)


def _find_widening(old: SchemaNode, new: SchemaNode, path: str, depth: int) -> Iterator[str]:
    """List what would be returned and was not, or was returned and would not be."""
    was, now = old.schema, new.schema
    types = (was.get("type"), now.get("type"))
    if types[0] is not None and types[0] != types[1] and types != ("number", "integer"):
        yield f"{path} was {types[0]} and may be {types[1] or 'anything'}"
        return
    yield from _compare_enums(now, was, path, "was not returned before")
    gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
    yield from (f"{path}/{name} is gone" for name in sorted(gone))
    unsure = set(was.get("required", ())) - set(now.get("required", ())) - gone
    yield from (f"{path}/{name} may be missing" for name in sorted(unsure))
    yield from (
        f"{path}: {name} {was[name]!r} is no longer guaranteed"
        for name in _EXACT_KEYWORDS
        if name in was and was[name] != now.get(name)
    )
    yield from _compare_children(old, new, DataFlow.OUTPUT, path, depth)


def _compare_enums(
    has: Mapping[str, Any], allows: Mapping[str, Any], path: str, problem: str
) -> Iterator[str]:
    if "enum" not in allows:
        return
    if "enum" not in has:
        yield f"{path}: what is none of {allows['enum']} {problem}"
        return
    yield from (
        f"{path}: {value!r} {problem}" for value in has["enum"] if value not in allows["enum"]
    )


def _compare_bounds(was: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in _LOWER_BOUNDS:
        if name in now and now[name] > was.get(name, float("-inf")):
            yield f"{path}: {name} is {now[name]}"
    for name in _UPPER_BOUNDS:
        if name in now and now[name] < was.get(name, float("inf")):
            yield f"{path}: {name} is {now[name]}"
    for name in _EXACT_KEYWORDS:
        if name in now and now[name] != was.get(name):
            yield f"{path}: {name} is {now[name]!r}"


def _compare_children(
    old: SchemaNode, new: SchemaNode, flow: DataFlow, path: str, depth: int
) -> Iterator[str]:
    was, now = old.schema.get("properties", {}), new.schema.get("properties", {})
    for name in sorted(was.keys() & now.keys()):
        inner = f"{path}/{name}"
        yield from compare_schemas(
            old.with_schema(was[name]), new.with_schema(now[name]), flow, inner, depth - 1
        )
    for name in ("items", "additionalProperties"):
        was, now = old.schema.get(name), new.schema.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from compare_schemas(
                old.with_schema(was), new.with_schema(now), flow, f"{path}/*", depth - 1
            )
