"""Objects of the API as dictionaries; names with an underscore are never served."""

import secrets
import string
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, cast

Resource = dict[str, Any]

_ALPHABET: Final = (string.ascii_letters + string.digits).encode()
_CHARACTERS: Final = bytes(_ALPHABET[number % len(_ALPHABET)] for number in range(256))
_ID_LENGTH: Final = 24
_SERVED_LINES: Final = 10
# The client chooses the names in these.
_CLIENT_FIELDS: Final = frozenset({"metadata", "payload"})


def new_identifier(prefix: str, length: int = _ID_LENGTH) -> str:
    # Not every character is equally likely, which does not matter for names of one machine.
    return prefix + secrets.token_bytes(length).translate(_CHARACTERS).decode()


def public(value: Mapping[str, Any]) -> Resource:
    """Copy an object without its private fields; an embedded list shows its first lines."""
    served = _public_fields(value)
    lines: Resource | None = served.get("lines")
    if lines is not None and len(lines["data"]) > _SERVED_LINES:
        served["lines"] = {**lines, "data": lines["data"][:_SERVED_LINES], "has_more": True}
    return served


def _public_fields(value: Mapping[str, Any]) -> Resource:
    return {
        name: deepcopy(part) if name in _CLIENT_FIELDS else _public(part)
        for name, part in value.items()
        if not name.startswith("_")
    }


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return _public_fields(cast("Resource", value))
    if isinstance(value, list):
        return [_public(part) for part in cast("list[Any]", value)]
    return value


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Resource:
    """Return the former values of the fields that changed, as `previous_attributes` has them."""
    names = before.keys() | after.keys()
    return {
        name: deepcopy(before.get(name))
        for name in sorted(names)
        if before.get(name) != after.get(name)
    }


def embedded_list(url: str, data: list[Resource]) -> Resource:
    return {"object": "list", "data": data, "has_more": False, "url": url}


def merge_metadata(current: Mapping[str, str], change: str | Mapping[str, str]) -> dict[str, str]:
    """Apply a change of metadata: an empty value removes a key, an empty text all keys."""
    if isinstance(change, str):
        return {}
    merged = {**current, **change}
    return {key: value for key, value in merged.items() if value != ""}
