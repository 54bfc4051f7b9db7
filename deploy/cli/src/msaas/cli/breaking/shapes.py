"""Two JSON Schemas of one thing: what a change would break for those who write or read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Final, cast

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT: Final = ("pattern", "format", "const")


class Direction(Flag):
    """Who relies on the shape: those who send it, those who are told it, or both."""

    GIVEN = auto()
    TOLD = auto()


@dataclass(frozen=True)
class Shape:
    """A schema and the document in which its references point."""

    schema: Mapping[str, Any]
    root: Mapping[str, Any]

    def at(self, schema: Any) -> "Shape":
        return Shape(cast("Mapping[str, Any]", schema), self.root)

    def resolved(self) -> "Shape":
        schema = self.schema
        while "$ref" in schema:
            schema = find(self.root, schema["$ref"])
        if "allOf" not in schema:
            return self.at(schema)
        parts = [schema, *(self.at(one).resolved().schema for one in schema["allOf"])]
        return self.at(
            {name: value for part in parts for name, value in part.items() if name != "allOf"}
            | {
                "properties": {k: v for p in parts for k, v in p.get("properties", {}).items()},
                "required": [name for part in parts for name in part.get("required", ())],
            }
        )

    def alternatives(self) -> list["Shape"]:
        """Each a schema of at most one type."""
        here = self.resolved()
        options = here.schema.get("anyOf") or here.schema.get("oneOf")
        if options:
            return [one for option in options for one in self.at(option).alternatives()]
        types = here.schema.get("type")
        if not isinstance(types, list):
            return [here]
        return [here.at(_of_type(here.schema, one)) for one in cast("list[str]", types)]


def find(root: Mapping[str, Any], reference: str) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def _of_type(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name == "null":
        return {"type": "null"}
    enum = [one for one in schema.get("enum", ()) if one is not None]
    return {**schema, "type": name} | ({"enum": enum} if enum else {})


def compare_shapes(
    old: Shape, new: Shape, direction: Direction, place: str = "", depth: int = 12
) -> Iterator[str]:
    """Name each break; deeper than `depth` a shape is one that holds itself."""
    if depth == 0:
        return
    olds, news = old.alternatives(), new.alternatives()
    if Direction.GIVEN in direction:
        for one in olds:
            yield from _nearest(
                [_narrowed(one, other, place, depth) for other in _alike(one, news)]
            )
    if Direction.TOLD in direction:
        for one in news:
            yield from _nearest([_widened(other, one, place, depth) for other in _alike(one, olds)])


def _alike(one: Shape, others: Sequence[Shape]) -> Sequence[Shape]:
    same = [other for other in others if other.schema.get("type") == one.schema.get("type")]
    return same or others


def _nearest(found: Sequence[Iterator[str]]) -> list[str]:
    return min((list(breaks) for breaks in found), key=len)


def _narrowed(old: Shape, new: Shape, place: str, depth: int) -> Iterator[str]:
    """Name what was taken and would be refused."""
    was, now = old.schema, new.schema
    types = (was.get("type"), now.get("type"))
    if types[1] is not None and types[0] != types[1] and types != ("integer", "number"):
        yield f"{place} was {types[0] or 'anything'} and has to be {types[1]}"
        return
    yield from _members(was, now, place, "is not taken any more")
    yield from _bounds(was, now, place)
    required = set(now.get("required", ())) - set(was.get("required", ()))
    yield from (f"{place}/{name} is required" for name in sorted(required))
    if now.get("additionalProperties") is False:
        gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
        yield from (f"{place}/{name} is not taken any more" for name in sorted(gone))
        if was.get("additionalProperties") is not False and was.get("type") == "object":
            yield f"{place} takes no other fields any more"
    yield from _inside(old, new, Direction.GIVEN, place, depth)


def _widened(old: Shape, new: Shape, place: str, depth: int) -> Iterator[str]:
    """Name what was never told and would be, or was told and would not."""
    was, now = old.schema, new.schema
    types = (was.get("type"), now.get("type"))
    if types[0] is not None and types[0] != types[1] and types != ("number", "integer"):
        yield f"{place} was {types[0]} and may be {types[1] or 'anything'}"
        return
    yield from _members(now, was, place, "was never told")
    gone = was.get("properties", {}).keys() - now.get("properties", {}).keys()
    yield from (f"{place}/{name} is gone" for name in sorted(gone))
    unsure = set(was.get("required", ())) - set(now.get("required", ())) - gone
    yield from (f"{place}/{name} may be missing" for name in sorted(unsure))
    yield from (
        f"{place}: {name} {was[name]!r} does not hold any more"
        for name in _EXACT
        if name in was and was[name] != now.get(name)
    )
    yield from _inside(old, new, Direction.TOLD, place, depth)


def _members(
    has: Mapping[str, Any], allows: Mapping[str, Any], place: str, words: str
) -> Iterator[str]:
    if "enum" not in allows:
        return
    if "enum" not in has:
        yield f"{place}: what is none of {allows['enum']} {words}"
        return
    yield from (f"{place}: {one!r} {words}" for one in has["enum"] if one not in allows["enum"])


def _bounds(was: Mapping[str, Any], now: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in _LOWER:
        if name in now and now[name] > was.get(name, float("-inf")):
            yield f"{place}: {name} is {now[name]}"
    for name in _UPPER:
        if name in now and now[name] < was.get(name, float("inf")):
            yield f"{place}: {name} is {now[name]}"
    for name in _EXACT:
        if name in now and now[name] != was.get(name):
            yield f"{place}: {name} is {now[name]!r}"


def _inside(old: Shape, new: Shape, direction: Direction, place: str, depth: int) -> Iterator[str]:
    was, now = old.schema.get("properties", {}), new.schema.get("properties", {})
    for name in sorted(was.keys() & now.keys()):
        inner = f"{place}/{name}"
        yield from compare_shapes(old.at(was[name]), new.at(now[name]), direction, inner, depth - 1)
    for name in ("items", "additionalProperties"):
        was, now = old.schema.get(name), new.schema.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from compare_shapes(old.at(was), new.at(now), direction, f"{place}/*", depth - 1)
