"""The table of operations: method and path as the package of the pinned version names them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource

Params = dict[str, Any]
Operation = Callable[..., Resource]

_PLACEHOLDER: Final = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True)
class Route:
    """An operation and the parameters that it implements; the package may know more of them."""

    method: str
    path: str
    accepts: frozenset[str]
    operation: Operation

    def call(self, api: Api, params: Params, identifiers: Iterable[str]) -> Resource:
        for name in params:
            if name not in self.accepts and name != "expand":
                raise ApiError(f"The stand-in does not implement the parameter {name}.", param=name)
        return self.operation(api, params, *identifiers)


class Routes:
    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []

    def add(self, method: str, path: str, accepts: str = "") -> Callable[[Operation], Operation]:
        """Register an operation; `accepts` are its parameters, separated by spaces."""

        def register(operation: Operation) -> Operation:
            pattern = re.compile(_PLACEHOLDER.sub("([^/]+)", path) + "$")
            route = Route(method, path, frozenset(accepts.split()), operation)
            self._routes.append((method, pattern, route))
            return operation

        return register

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
        """Prefer a path without placeholders: `/v1/invoices/create_preview` is no invoice."""
        matches = [
            (route, match.groups())
            for known, pattern, route in self._routes
            if known == method and (match := pattern.match(path))
        ]
        return min(matches, key=lambda found: len(found[1]), default=None)

    def __iter__(self) -> Iterator[Route]:
        return iter(route for _, _, route in self._routes)
