"""The serializer of graph states: plain values only, written and read."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

_PLAIN: Final = (str, bytes, bytearray, int, float, bool, type(None))
_COLLECTIONS: Final = (list, tuple, set, frozenset)


class StateNotPlain(TypeError):
    """A state holds an object of a class that would not be itself when it is read."""


class StateSerializer(JsonPlusSerializer):
    """Refuse other classes where a state is written; a row that names one builds no object."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        _check(obj)
        return super().dumps_typed(obj)


def _check(value: Any) -> None:
    kind = cast("type[Any]", type(value))
    if kind in _PLAIN or issubclass(kind, BaseException):
        return
    if issubclass(kind, Mapping):
        _check_all([*value.keys(), *value.values()])
    elif kind in _COLLECTIONS:
        _check_all(value)
    elif (kind.__module__, kind.__name__) not in SAFE_MSGPACK_TYPES:
        raise StateNotPlain(f"{kind.__module__}.{kind.__name__} is in the state")
    elif is_dataclass(kind):
        _check_all([getattr(value, field.name) for field in fields(kind)])


def _check_all(values: Iterable[Any]) -> None:
    for value in values:
        _check(value)
