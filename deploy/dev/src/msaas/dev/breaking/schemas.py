"""Two JSON Schemas of one thing: what a change would break for those who write or read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Final, cast

_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT_KEYWORDS: Final = ("pattern", "format", "const")


class DataFlow(Flag):
    """Who relies on the shape: those who send it, those who are told it, or both."""

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
        parts = [schema, *(self.with_schema(one).resolved().schema for one in schema["allOf"])]
        return self.with_schema(
            {name: value for part in parts for name, value in part.items() if name != "allOf"}
            | {
                "properties": {k: v for p in parts for k, v in p.get("properties", {}).items()},
                "required": [name for part in parts for name in part.get("required", ())],
            }
        )

    def variants(self) -> list["SchemaNode"]:
        """Each a schema of at most one type."""
        here = self.resolved()
        options = here.schema.get("anyOf") or here.schema.get("oneOf")
        if options:
            return [one for option in options for one in self.with_schema(option).variants()]
        types = here.schema.get("type")
        if not isinstance(types, list):
            return [here]
        return [
            here.with_schema(_narrow_to_type(here.schema, one)) for one in cast("list[str]", types)
        ]


def resolve_pointer(root: Mapping[str, Any], reference: str) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def _narrow_to_type(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name == "null":
        return {"type": "null"}
    enum = [one for one in schema.get("enum", ()) if one is not None]
    return {**schema, "type": name} | ({"enum": enum} if enum else {})


def compare_schemas(
    old: SchemaNode, new: SchemaNode, flow: DataFlow, path: str = "", depth: int = 12
) -> Iterator[str]:
    """Name each break; deeper than `depth` a shape is one that holds itself."""
    if depth == 0:
        return
    olds, news = old.variants(), new.variants()
    if DataFlow.INPUT in flow:
        for one in olds:
            yield from _best_match(
                [_find_narrowing(one, other, path, depth) for other in _same_type(one, news)]
            )
    if DataFlow.OUTPUT in flow:
        for one in news:
            yield from _best_match(
                [_find_widening(other, one, path, depth) for other in _same_type(one, olds)]
            )


def _same_type(one: SchemaNode, others: Sequence[SchemaNode]) -> Sequence[SchemaNode]:
    same = [other for other in others if other.schema.get("type") == one.schema.get("type")]
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
    """Name what was not returned before and would be, or was told and would not."""
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
    yield from (f"{path}: {one!r} {problem}" for one in has["enum"] if one not in allows["enum"])


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
