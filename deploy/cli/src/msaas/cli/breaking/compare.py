"""Two states of `contracts/`: the API, the messages and tasks, their samples, consumers' words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from msaas.cli.breaking.operations import compare_operations
from msaas.cli.breaking.shapes import Direction, Shape, compare_shapes
from msaas.contracts import TOPICS

API: Final = "contracts/openapi/gateway.v1.yaml"
_BOTH: Final = Direction.GIVEN | Direction.TOLD

Files = Mapping[str, str]


@dataclass(frozen=True)
class Break:
    """`subject` is an operation, a message or a file; `relying` are those whom it would hit."""

    subject: str
    words: str
    relying: tuple[str, ...] = ()

    def __str__(self) -> str:
        whom = f"  (relied on by {', '.join(self.relying)})" if self.relying else ""
        return f"{self.subject}: {self.words}{whom}"


def compare(old: Files, new: Files, today: date) -> Iterator[Break]:
    """Compare the files under `contracts/`, by their paths."""
    if API in old:
        documents = _read(old[API]), _read(new.get(API, "paths: {}"))
        for operation, words in compare_operations(*documents, today):
            yield Break(operation, words, list_consumers(old, operation))
    yield from _compare_messages(old, new)
    for path in sorted(old):
        if path.startswith("contracts/samples/") and new.get(path) != old[path]:
            yield Break(path, "a sample is never edited" if path in new else "a sample is gone")
    yield from _compare_consumers(old, new, today)


def _read(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)  # safe, and ten times as fast as the other


def list_consumers(files: Files, operation: str) -> tuple[str, ...]:
    paths = map(PurePosixPath, sorted(files))
    return tuple(
        path.parent.name
        for path in paths
        if path.match(f"contracts/consumers/*/*/{operation}.json")
    )


def _compare_messages(old: Files, new: Files) -> Iterator[Break]:
    for path in sorted(old):
        if not path.startswith("contracts/schemas/"):
            continue
        name = PurePosixPath(path).stem
        relying = list_readers(name)
        if path not in new:
            yield Break(name, "it is gone", relying)
            continue
        was, now = json.loads(old[path]), json.loads(new[path])
        words = compare_shapes(Shape(was, was), Shape(now, now), _direction_of(name))
        yield from (Break(name, one, relying) for one in dict.fromkeys(words))


def _direction_of(name: str) -> Direction:
    """Users send a task's parameters and read its result; messages cross in both directions."""
    if name.startswith("task."):
        return Direction.GIVEN if name.endswith(".params") else Direction.TOLD
    return _BOTH


def list_readers(name: str) -> tuple[str, ...]:
    topics = [
        topic
        for topic in TOPICS.values()
        if name in {message.type_name() for message in topic.messages}
    ]
    return tuple(sorted({consumer for topic in topics for consumer in topic.consumers}))


def _compare_consumers(old: Files, new: Files, today: date) -> Iterator[Break]:
    """Hold those that are frozen to their words; only a sunset may be added, and waited for."""
    for path in sorted(old):
        if not path.startswith("contracts/consumers/"):
            continue
        was = json.loads(old[path])
        if (
            not was["deprecated"]
            or date.fromisoformat(was.get("sunset_date", "9999-12-31")) <= today
        ):
            continue
        if path not in new:
            yield Break(path, "it is gone before its sunset")
        elif _without_sunset(json.loads(new[path]), was) != was:
            yield Break(path, "it is frozen: only a sunset_date may be added")


def _without_sunset(now: dict[str, Any], was: dict[str, Any]) -> dict[str, Any]:
    added = {"sunset_date"} - was.keys()
    return {name: value for name, value in now.items() if name not in added}
