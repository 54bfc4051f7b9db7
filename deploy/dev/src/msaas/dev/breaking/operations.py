"""Compares two OpenAPI documents of one API: what would break clients of the old one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from msaas.dev.breaking.schemas import DataFlow, SchemaNode, compare_schemas, resolve_pointer

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True)
class Operation:
    """One operation with what it takes from its path and its document."""

    definition: Mapping[str, Any]
    path_item: Mapping[str, Any]
    document: Mapping[str, Any]

    def resolve(self, part: Any) -> Any:
        while "$ref" in part:
            part = resolve_pointer(self.document, part["$ref"])
        return part

    @property
    def name(self) -> str:
        return self.definition["operationId"]

    @property
    def parameters(self) -> dict[tuple[str, str], Any]:
        listed = [*self.path_item.get("parameters", ()), *self.definition.get("parameters", ())]
        return {
            (parameter["in"], parameter["name"]): parameter
            for parameter in map(self.resolve, listed)
        }

    @property
    def security(self) -> list[Any]:
        return self.definition.get("security", self.document.get("security", []))

    @property
    def body(self) -> Mapping[str, Any]:
        return self.resolve(self.definition.get("requestBody", {}))

    @property
    def responses(self) -> dict[str, Any]:
        return {
            status: self.resolve(response)
            for status, response in self.definition["responses"].items()
        }

    def schema(self, part: Mapping[str, Any]) -> SchemaNode:
        return SchemaNode(part.get("schema", {}), self.document)


def list_operations(document: Mapping[str, Any]) -> dict[tuple[str, str], Operation]:
    return {
        (method, path): Operation(item[method], item, document)
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }


def compare_operations(
    old: Mapping[str, Any], new: Mapping[str, Any], today: date
) -> Iterator[tuple[str, str]]:
    """Name each break with its operation; what is past its sunset may go."""
    news = list_operations(new)
    for (method, path), was in list_operations(old).items():
        now = news.get((method, path))
        if now is not None:
            yield from ((was.name, words) for words in _compare(was, now))
        elif date.fromisoformat(was.definition.get("x-sunset", "9999-12-31")) > today:
            yield was.name, f"{method.upper()} {path} is gone"


def _compare(was: Operation, now: Operation) -> Iterator[str]:
    if was.name != now.name:
        yield f"its name is {now.name}"
    if now.security and not was.security:
        yield "it asks for credentials"
    for requirement in was.security:
        if now.security and requirement not in now.security:
            yield f"{', '.join(requirement)} no longer grants access"
    yield from _compare_parameters(was, now)
    yield from _compare_bodies(was, now)
    yield from _compare_responses(was, now)


def _compare_parameters(was: Operation, now: Operation) -> Iterator[str]:
    olds, news = was.parameters, now.parameters
    for (place, name), new in news.items():
        old = olds.get((place, name))
        where = f"{place} {name}"
        if new.get("required") and not (old and old.get("required")):
            yield f"{where} is required"
        if old:
            yield from compare_schemas(was.schema(old), now.schema(new), DataFlow.INPUT, where)
    for place, name in olds.keys() - news.keys():
        yield f"{place} {name} is no longer read"


def _compare_bodies(was: Operation, now: Operation) -> Iterator[str]:
    old, new = was.body, now.body
    if new.get("required") and not old.get("required"):
        yield "a body is required"
    for media_type, content in old.get("content", {}).items():
        if media_type not in new.get("content", {}):
            yield f"{media_type} is no longer accepted"
            continue
        shapes = was.schema(content), now.schema(new["content"][media_type])
        yield from compare_schemas(*shapes, DataFlow.INPUT, "body")


def _compare_responses(was: Operation, now: Operation) -> Iterator[str]:
    for status, old in was.responses.items():
        new = now.responses.get(status)
        if new is None:
            # No client relies on an error response.
            if status < "4":
                yield f"it no longer returns {status}"
            continue
        for header in old.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{status}: header {header} is gone"
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{status} is no {media_type} any more"
                continue
            shapes = was.schema(content), now.schema(new["content"][media_type])
            yield from compare_schemas(*shapes, DataFlow.OUTPUT, status)
