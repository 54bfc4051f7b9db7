"""Compares the statements of Python outside tests and migrations with the committed ceiling."""

import ast
import tomllib
from collections.abc import Iterator

from msaas.dev.checks.any_parameters import BUDGETS
from msaas.dev.checks.tree import Tree

FOLDERS = ("contracts/", "libs/", "services/", "deploy/")
EXCLUDED = ("/tests/", "/migrations/", "/conftest.py")
LAUNCHER = "msaas"


def find_problems(tree: Tree) -> Iterator[str]:
    sources = [tree.text(name) for name in tree.files if is_counted(name)]
    statements = sum(map(count_statements, sources))
    lines = sum(source.count("\n") for source in sources)
    before = tomllib.loads(tree.text(BUDGETS))["size"]
    ceiling = before["statements"]
    print(
        f"Python without tests and migrations: {statements:,} statements ({ceiling:,} before), "
        f"{lines:,} lines ({before['lines']:,} before)",
        flush=True,
    )
    if statements > ceiling:
        yield f"{statements} statements of Python without tests and migrations, at most {ceiling}"


def count_statements(source: str) -> int:
    """Count logical lines: statements, without docstrings and other lone constants."""
    return sum(
        isinstance(node, ast.stmt)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.walk(ast.parse(source))
    )


def is_counted(name: str) -> bool:
    is_source = name.startswith(FOLDERS) and name.endswith(".py")
    return name == LAUNCHER or (is_source and not any(part in name for part in EXCLUDED))
