"""Counts the lines of Python outside tests and migrations against a committed ceiling."""

import tomllib
from collections.abc import Iterator

from msaas.dev.checks.any_parameters import BUDGETS
from msaas.dev.checks.tree import Tree

FOLDERS = ("contracts/", "libs/", "services/", "deploy/")
EXCLUDED = ("/tests/", "/migrations/", "/conftest.py")
LAUNCHER = "msaas"


def find_problems(tree: Tree) -> Iterator[str]:
    lines = count_lines(tree)
    ceiling = tomllib.loads(tree.text(BUDGETS))["lines_of_code"]["at_most"]
    print(f"{lines:,} lines of Python without tests and migrations; {ceiling:,} before", flush=True)
    if lines > ceiling:
        yield f"{lines} lines of Python without tests and migrations, at most {ceiling}"


def count_lines(tree: Tree) -> int:
    return sum(tree.text(name).count("\n") for name in tree.files if is_counted(name))


def is_counted(name: str) -> bool:
    is_source = name.startswith(FOLDERS) and name.endswith(".py")
    return name == LAUNCHER or (is_source and not any(part in name for part in EXCLUDED))
