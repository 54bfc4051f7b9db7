"""Refuses the glossary's retired words in the names of Python code, metrics and log events."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from msaas.dev.checks.tree import Tree

GLOSSARY = "docs/glossary.md"
SECTION = re.compile(r"^## Retired words\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*)\|$", re.MULTILINE)
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
NAMING_CALLS = {"debug", "info", "warning", "error", "exception", "counter", "gauge", "histogram"}
_FROZEN = "a field of the frozen dead-letter commands"
_DEFINITION = "the title of a definition in the committed message schemas"
_API_SCHEMA = "the name of a schema in the gateway's OpenAPI document"
FIXED_NAMES: Mapping[str, str] = {
    "Letter": _API_SCHEMA,
    "LetterClass": _DEFINITION,
    "LetterOutcome": _API_SCHEMA,
    "LetterOutcomes": _API_SCHEMA,
    "LetterPage": _API_SCHEMA,
    "LetterState": _DEFINITION,
    "LetterSummary": _API_SCHEMA,
    "asked_by": _FROZEN,
    "letter_class": _FROZEN,
    "letter_id": _FROZEN,
    "letters": _FROZEN,
}
"""Names that a contract fixes, each with the reason."""
FIXED_FOLDERS = ("/migrations/",)  # the revisions and their functions are frozen with the schema


@dataclass(frozen=True)
class Glossary:
    """The retired words, each with its replacement and the compounds in which it is correct."""

    text: str

    @cached_property
    def retired(self) -> Mapping[str, str]:
        return {word: instead.strip() for word, instead, _ in self._rows}

    @cached_property
    def _rows(self) -> list[tuple[str, str, str]]:
        found = SECTION.search(self.text)
        return ROW.findall(found[1]) if found else []

    @cached_property
    def _allowed(self) -> re.Pattern[str]:
        compounds = [word for *_, cell in self._rows for word in re.findall(r"`(\w+)`", cell)]
        words = "|".join(sorted(compounds, key=len, reverse=True))
        return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])" if words else r"(?!)")

    def find_retired(self, name: str) -> list[str]:
        """Return the retired words among the parts of a name, outside allowed compounds."""
        parts = "_".join(part.lower() for part in PART.findall(name))
        return [word for word in self._allowed.sub("", parts).split("_") if word in self.retired]


def find_problems(tree: Tree) -> Iterator[str]:
    if GLOSSARY not in tree.files:
        yield f"{GLOSSARY}: missing"
        return
    glossary = Glossary(tree.text(GLOSSARY))
    if not glossary.retired:
        yield f"{GLOSSARY}: its table of retired words is empty"
    for path in tree.select(".py"):
        if not any(folder in path for folder in FIXED_FOLDERS):
            yield from find_problems_of(path, tree.text(path), glossary)


def find_problems_of(path: str, text: str, glossary: Glossary) -> Iterator[str]:
    module = ast.parse(text)
    named = [(0, PurePosixPath(path).stem), *find_names(module)]
    for line, name in dict.fromkeys(named):
        if name not in FIXED_NAMES:
            yield from (
                f"{path}:{line}: {name}: {word!r} is retired; use {glossary.retired[word]}"
                for word in glossary.find_retired(name)
            )
    for node in ast.walk(module):
        match node:
            case (
                ast.For(target=ast.Name(id="one", lineno=line))
                | ast.AsyncFor(target=ast.Name(id="one", lineno=line))
                | ast.comprehension(target=ast.Name(id="one", lineno=line))
            ):
                yield f"{path}:{line}: `for one in` does not name what it iterates over"
            case _:
                pass


def find_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """List the names that a module defines, and the metrics and log events that it declares."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.Call(
                func=ast.Attribute(attr=function), args=[ast.Constant(value=str(name)), *_]
            ) if function in NAMING_CALLS:
                yield node.lineno, name
            case _:
                pass
