"""What the API accepts and serves, read from the installed stripe package of the pinned version."""

import re
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import typing_extensions

import stripe
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.forms import Tree
from msaas.stripe.domain.shapes import (
    AnyOf,
    Array,
    Choice,
    Record,
    Scalar,
    Shape,
    Texts,
    read_params,
)
from stripe._object_classes import get_object_class
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

_PACKAGE: Final = Path(stripe.__file__).parent
_OPTIONS: Final = frozenset(RequestOptions.__annotations__)
# What the package imports for type checkers only.
_OPTION_TYPES: Final[dict[str, Any]] = {"StripeContext": object, "Mapping": Mapping}
# Absent rather than null in Stripe's own answers.
_ABSENT: Final = frozenset(
    {
        *("deleted", "sources", "subscriptions", "cash_balance", "invoice_credit_balance", "tax"),
        *("tax_ids", "currency_options", "tiers", "line_items", "payments", "confirmation_secret"),
        *("account", "refunds"),
    }
)
_NOT_FOUND: Final = 404
# The services of which an operation is implemented; parsing all of them takes seconds.
_SERVICES: Final = (
    *("_charge", "_credit_note", "_credit_note_line_item", "_customer", "_dispute", "_event"),
    *("_customer_balance_transaction", "_customer_payment_method", "_invoice", "_invoice_item"),
    *("_invoice_line_item", "_invoice_payment", "_payment_intent", "_payment_method", "_price"),
    *("_product", "_subscription", "_subscription_item", "_subscription_schedule"),
    *("_webhook_endpoint", "billing/_meter", "billing/_meter_event"),
    *("billing/_meter_event_adjustment", "billing/_meter_event_summary"),
    *("billing_portal/_configuration", "billing_portal/_session", "checkout/_session"),
    *("checkout/_session_line_item", "test_helpers/_test_clock", "v2/billing/_meter_event"),
    *("v2/billing/_meter_event_adjustment", "v2/billing/_meter_event_session"),
    *("v2/billing/_meter_event_stream", "v2/core/_event", "v2/core/_event_destination"),
)
_Key = tuple[str, str]
# The sources are generated, so that their form is regular.
_IMPORT: Final = re.compile(r"from (stripe\.params\.\S+) import (\([^)]*\)|[^\n]*)")
_NAME: Final = re.compile(r"\w+")
_PARAMS: Final = re.compile(r'params: (?:Optional\[)?"(\w+)"')
_OPERATION: Final = re.compile(
    r'^    def \w+\(\n([^()]*)\) -> .*?self\._request\(\s*"(\w+)",\s*"([^"]+)"',
    re.DOTALL | re.MULTILINE,
)


class StripePackage:
    """Reads a service module on the first request that needs it."""

    api_version: str = stripe.api_version

    def __init__(self) -> None:
        self._types = dict(_find_operations())

    def read_params(self, method: str, path: str, params: Tree) -> dict[str, Any]:
        return read_params(self._shape(method, path), params)

    def read_json(self, method: str, path: str, params: Any) -> dict[str, Any]:
        return read_params(self._shape(method, path), params)

    @cache  # noqa: B019 - one object for the process
    def nullable_fields(self, kind: str) -> Mapping[str, None]:
        annotations = get_object_class("V1", kind).__annotations__
        return {
            name: None
            for name, annotation in annotations.items()
            if types.NoneType in get_args(annotation) and name not in _ABSENT
        }

    def _shape(self, method: str, path: str) -> Record:
        if (method, path) not in self._types:
            raise ApiError(f"Unrecognized request URL ({method}: {path}).", status=_NOT_FOUND)
        module, name = self._types[method, path]
        return _load_shape(module, name) if name else Record()


@cache
def _load_shape(module: str, name: str) -> Record:
    return _build_record(getattr(import_module(module), name), {})


def _find_operations() -> Iterator[tuple[_Key, tuple[str, str]]]:
    """Find the parameter type of each method and path in the services' sources."""
    for name in _SERVICES:
        text = (_PACKAGE / f"{name}_service.py").read_text()
        modules = {
            imported: module
            for module, names in _IMPORT.findall(text)
            for imported in _NAME.findall(names)
        }
        for arguments, method, path in _OPERATION.findall(text):
            params = _PARAMS.search(arguments)
            type_name = params[1] if params else ""
            yield (method.upper(), path), (modules.get(type_name, ""), type_name)


def _build_record(params: Any, seen: dict[Any, Record]) -> Record:
    if params in seen:
        return seen[params]
    record = seen[params] = Record()
    hints = get_type_hints(params, localns=_OPTION_TYPES, include_extras=True)
    for name, hint in hints.items():
        if name in _OPTIONS:
            continue
        optional = get_origin(hint) is typing_extensions.NotRequired
        record.fields[name] = _build(get_args(hint)[0] if optional else hint, seen)
        if not optional:
            record.required.add(name)
    return record


def _build(hint: Any, seen: dict[Any, Record]) -> Shape:
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _build_union([part for part in get_args(hint) if part is not types.NoneType], seen)
    if origin is Literal:
        return Choice(get_args(hint))
    if origin is list:
        return Array(_build(get_args(hint)[0], seen))
    if origin in {dict, UntypedStripeObject} or hint is UntypedStripeObject:
        return Texts()
    if hint in {str, int, bool, float, Decimal}:
        return Scalar(hint)
    return _build_record(hint, seen)


def _build_union(hints: list[Any], seen: dict[Any, Record]) -> Shape:
    """Build the alternatives; a text beside names is left out, since the API accepts only those."""
    closed = any(
        get_origin(hint) is Literal and get_args(hint) not in {("",), ("auto",)} for hint in hints
    )
    kept = [hint for hint in hints if not (closed and hint is str and _is_open(hints))]
    shapes = [_build(hint, seen) for hint in kept]
    shapes.sort(key=lambda shape: _ORDER[type(shape)])
    return shapes[0] if len(shapes) == 1 else AnyOf(tuple(shapes))


def _is_open(hints: list[Any]) -> bool:
    return len([hint for hint in hints if get_origin(hint) is not Literal]) <= len(hints) - 1


_ORDER: Final = {Choice: 0, Texts: 1, Record: 2, Array: 3, Scalar: 4, AnyOf: 5}
