"""Python in documents compiles, and what it imports from this repository exists."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from textwrap import indent

import pytest

from msaas.dev.checks import Tree
from msaas.dev.workspace import ROOT

TREE = Tree(ROOT)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = [name for name in TREE.select(".md") if PYTHON.search(TREE.text(name))]


def parse(code: str) -> ast.Module:
    """Parse a snippet as the body of a function, where `await` and `yield` are allowed."""
    body = indent(code.replace("…", "..."), "    ")
    return ast.parse(f"async def snippet():\n{body}")


def find_imports(code: str) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


def exists(module: str, name: str | None) -> bool:
    try:
        found = import_module(module)
        if name and not hasattr(found, name):
            import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def find_missing(code: str) -> list[tuple[str, str | None]]:
    return [found for found in find_imports(code) if "msaas" in found[0] and not exists(*found)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_a_document_compiles_and_imports_what_exists(document: str) -> None:
    for code in PYTHON.findall(TREE.text(document)):
        assert find_missing(code) == []


def test_a_missing_name_and_a_missing_module_are_found() -> None:
    code = "from msaas.kernel import Clock, NoSuchName\nimport msaas.no_such_module\n"
    assert find_missing(code) == [
        ("msaas.kernel", "NoSuchName"),
        ("msaas.no_such_module", None),
    ]
