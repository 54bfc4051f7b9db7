"""The shapes of parameters: what a value may be, and how a text becomes a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from msaas.stripe.domain.errors import ApiError

_INTEGER: Final = re.compile(r"-?\d{1,18}$")
_BOOLEANS: Final = {"true": True, "false": False, True: True, False: False}


class Mismatch(ValueError):
    """A value of another shape than its parameter has."""

    def __init__(self, param: str, expected: str) -> None:
        super().__init__(f"Invalid {param}: it must be {expected}")
        self.param = param


@dataclass(frozen=True)
class Scalar:
    """A text, an integer, a number or a boolean."""

    kind: type

    def read(self, value: Any, path: str) -> Any:
        if isinstance(value, (dict, list)):
            raise Mismatch(path, "a string")
        return _READERS[self.kind](value, path)


@dataclass(frozen=True)
class Choice:
    values: tuple[Any, ...]

    def read(self, value: Any, path: str) -> Any:
        for choice in self.values:
            if value == choice or (isinstance(choice, bool) and _BOOLEANS.get(value) is choice):
                return choice
        named = ", ".join(str(choice) for choice in self.values)
        raise Mismatch(path, f"one of {named}")


@dataclass(frozen=True)
class Texts:
    """A mapping that the client names, such as metadata."""

    def read(self, value: Any, path: str) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise Mismatch(path, "an object")
        texts = cast("Mapping[str, Any]", value)
        for name, text in texts.items():
            if not isinstance(text, str):
                raise Mismatch(_join(path, name), "a string")
        return dict(texts)


@dataclass(frozen=True)
class Array:
    item: "Shape"

    def read(self, value: Any, path: str) -> list[Any]:
        parts = _list_parts(value, path)
        return [self.item.read(part, f"{path}[{index}]") for index, part in enumerate(parts)]


@dataclass
class Record:
    """Named fields; filled after its creation, because a type may contain itself."""

    fields: dict[str, "Shape"] = field(default_factory=dict[str, "Shape"])
    required: set[str] = field(default_factory=set[str])

    def read(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Mismatch(path, "an object")
        given = cast("Mapping[str, Any]", value)
        for name in given:
            if name not in self.fields:
                param = _join(path, name)
                raise ApiError(
                    f"Received unknown parameter: {param}", code="parameter_unknown", param=param
                )
        for name in sorted(self.required - given.keys()):
            param = _join(path, name)
            raise ApiError(
                f"Missing required param: {param}.", code="parameter_missing", param=param
            )
        return {
            name: self.fields[name].read(part, _join(path, name)) for name, part in given.items()
        }


@dataclass(frozen=True)
class AnyOf:
    shapes: tuple["Shape", ...]

    def read(self, value: Any, path: str) -> Any:
        """Return the first reading that fits; an unknown field of a record is reported as such."""
        fault: Exception = Mismatch(path, "valid")
        for shape in self.shapes:
            try:
                return shape.read(value, path)
            except (Mismatch, ApiError) as error:
                if isinstance(error, ApiError) or not isinstance(fault, ApiError):
                    fault = error
        raise fault


Shape = Scalar | Choice | Texts | Array | Record | AnyOf


def read_params(shape: Record, params: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return shape.read(params, "")
    except Mismatch as error:
        raise ApiError(str(error), code="parameter_invalid", param=error.param) from error


def _list_parts(value: Any, path: str) -> list[Any]:
    """Read an array, which a form writes as a mapping with numbers as names."""
    if isinstance(value, list):
        return cast("list[Any]", value)
    if not isinstance(value, Mapping):
        raise Mismatch(path, "an array")
    parts = cast("Mapping[str, Any]", value)
    if not all(name.isdigit() for name in parts):
        raise Mismatch(path, "an array")
    return [parts[name] for name in sorted(parts, key=int)]


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _read_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Mismatch(path, "a string")
    return value


def _read_integer(value: Any, path: str) -> int:
    if isinstance(value, bool) or not _INTEGER.match(str(value)):
        raise Mismatch(path, "an integer")
    return int(value)


def _read_boolean(value: Any, path: str) -> bool:
    if value not in _BOOLEANS:
        raise Mismatch(path, "a boolean")
    return _BOOLEANS[value]


def _read_number(value: Any, path: str) -> str:
    """Return a decimal as text, as the API does."""
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise Mismatch(path, "a decimal") from error
    if not number.is_finite():
        raise Mismatch(path, "a decimal")
    return format(number.normalize(), "f")


_READERS: Final = {
    str: _read_text,
    int: _read_integer,
    bool: _read_boolean,
    float: _read_number,
    Decimal: _read_number,
}
