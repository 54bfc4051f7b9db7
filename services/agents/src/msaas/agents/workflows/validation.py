"""Compares values with a user's JSON Schema, without fetching anything and in bounded time."""

from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

_UNBOUNDED = frozenset({"pattern", "patternProperties", "format", "uniqueItems"})
"""Left out: a user's regular expression may take for ever in this process."""

_DEEP = 24


def build_validator(schema: Mapping[str, Any]) -> Validator | None:
    """Return a validator, or None for what is no JSON Schema. References stay inside it."""
    bounded = _without_unbounded(schema, 0)
    try:
        Draft202012Validator.check_schema(bounded)
    except (SchemaError, RecursionError):
        return None
    return Draft202012Validator(bounded, registry=Registry())


def find_errors(validator: Validator, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what does not fit, by JSON pointer; None stands for a value that is not there."""
    try:
        errors = sorted(validator.iter_errors(values), key=lambda error: list(map(str, error.path)))
    except (Unresolvable, RecursionError):
        return {"": "The schema cannot be applied."}
    return {
        pointer: error.message[:200]
        for error in errors
        if error.instance is not None
        for pointer in _point_at(error)
    }


def _point_at(error: ValidationError) -> list[str]:
    """Return the pointers of what is wrong: of keys that should not be there, their own."""
    pointer = "".join(f"/{_escape(str(part))}" for part in error.absolute_path)
    if error.validator != "additionalProperties" or error.validator_value is not False:
        return [pointer]
    known = cast("Mapping[str, Any]", error.schema).get("properties", {})
    given = cast("Mapping[str, Any]", error.instance)
    return [f"{pointer}/{_escape(key)}" for key in given if key not in known]


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def uses_unbounded(schema: object) -> bool:
    """Whether a schema has rules that are left out."""
    if isinstance(schema, Mapping):
        inner = cast("Mapping[str, object]", schema)
        return not _UNBOUNDED.isdisjoint(inner) or any(map(uses_unbounded, inner.values()))
    return isinstance(schema, list) and any(map(uses_unbounded, cast("list[object]", schema)))


def _without_unbounded(schema: Any, depth: int, *, named: bool = False) -> Any:
    """Return the schema without those rules; in `properties` the keys are names, not rules."""
    if depth > _DEEP:
        return True
    if isinstance(schema, list):
        items = cast("list[Any]", schema)
        return [_without_unbounded(item, depth + 1) for item in items]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _without_unbounded(
            inner, depth + 1, named=key in {"properties", "$defs"} and not named
        )
        for key, inner in cast("Mapping[str, Any]", schema).items()
        if named or key not in _UNBOUNDED
    }
