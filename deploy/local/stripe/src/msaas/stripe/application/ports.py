"""What the application needs from outside."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from msaas.stripe.domain.forms import Tree
from msaas.stripe.domain.resources import Resource


class Journal(Protocol):
    """Durable documents by key."""

    def read_all(self) -> Iterable[tuple[str, Resource]]:
        """Return the documents in the order of their creation."""
        ...

    def find(self, key: str) -> Resource | None: ...

    def write(self, changes: Mapping[str, Resource | None]) -> None:
        """Write all changes or none; None deletes."""
        ...


class Specification(Protocol):
    """What the API accepts and serves in the pinned version."""

    @property
    def api_version(self) -> str: ...

    def read_params(self, method: str, path: str, params: Tree) -> dict[str, Any]:
        """Return typed parameters, or raise the error that Stripe would answer with."""
        ...

    def read_json(self, method: str, path: str, params: Any) -> dict[str, Any]: ...

    def nullable_fields(self, kind: str) -> Mapping[str, None]: ...
