"""Compares served objects with the classes of the stripe package: every field, every type."""

import inspect
import sys
import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ForwardRef, Literal, Union, cast, get_args, get_origin

import stripe
from stripe._list_object import ListObject
from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject, UntypedStripeObject

_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    bool: (bool,),
    float: (int, float),
    Decimal: (str,),
}


def find_differences(value: dict[str, Any]) -> list[str]:
    """Return the fields that the class lacks, that are missing, or that have another type."""
    api = "V2" if value["object"].startswith("v2.") else "V1"
    return list(_compare_object(value, get_object_class(api, value["object"]), value["object"]))


def _compare_object(value: dict[str, Any], kind: type, path: str) -> Iterator[str]:
    annotations = {
        name: hint
        for base in reversed(kind.__mro__)
        if issubclass(base, StripeObject)
        for name, hint in inspect.get_annotations(base).items()
        if not name.startswith("_") and name not in {"OBJECT_NAME", "last_response"}
    }
    for name in value.keys() - annotations.keys():
        yield f"{path}.{name} is unknown"
    for name, hint in annotations.items():
        if name in value:
            yield from _compare(value[name], hint, kind, f"{path}.{name}")
        elif types.NoneType not in get_args(hint):
            yield f"{path}.{name} is missing"


def _compare(value: Any, hint: Any, owner: type, path: str) -> Iterator[str]:
    if isinstance(hint, ForwardRef):
        hint = _resolve(hint.__forward_arg__, owner)
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        faults = [list(_compare(value, part, owner, path)) for part in get_args(hint)]
        yield from min(faults, key=len) if all(faults) else []
    elif origin in {list, ListObject}:
        parts = value if origin is list else _data_of(value)
        yield from _compare_list(parts, get_args(hint)[0], owner, path)
    elif origin is Literal:
        yield from () if value in get_args(hint) else (f"{path} is {value!r}",)
    elif origin in {UntypedStripeObject, dict} or hint in {UntypedStripeObject, Any}:
        yield from () if isinstance(value, dict) else (f"{path} is no mapping",)
    else:
        yield from _compare_plain(value, hint, path)


def _data_of(value: object) -> object:
    return cast("dict[str, object]", value).get("data") if isinstance(value, dict) else None


def _compare_list(value: Any, hint: Any, owner: type, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path} is no list"
        return
    for part in cast("list[Any]", value):
        yield from _compare(part, hint, owner, f"{path}[]")


def _compare_plain(value: Any, hint: Any, path: str) -> Iterator[str]:
    if hint is types.NoneType:
        if value is not None:
            yield f"{path} is not null"
    elif hint in _SCALARS:
        wrong = isinstance(value, bool) and hint is not bool
        if wrong or not isinstance(value, _SCALARS[hint]):
            yield f"{path} is {type(value).__name__}, not {hint.__name__}"
    elif not isinstance(value, dict):
        yield f"{path} is no object"
    elif isinstance(hint, type) and issubclass(hint, StripeObject):
        yield from _compare_object(cast("dict[str, Any]", value), hint, path)


def _resolve(name: str, owner: type) -> Any:
    """Find a class by the name that an annotation has in quotes."""
    module = sys.modules[owner.__module__]
    found = getattr(module, name, None) or getattr(stripe, name, None)
    if found is None:
        found = next(
            (
                getattr(loaded, name)
                for path, loaded in list(sys.modules.items())
                if path.startswith("stripe.") and isinstance(getattr(loaded, name, None), type)
            ),
            Any,
        )
    return found
