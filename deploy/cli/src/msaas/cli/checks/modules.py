"""Keeps modules small, and has each open with a sentence that says what it is for."""

import ast
from collections.abc import Iterator

from msaas.cli.checks.tree import Tree

LONGEST = 400
LONGEST_TEST = 500
SOURCES = (".py", ".ts", ".tsx", "msaas")
GENERATED = ("schema.d.ts",)


def find_problems(tree: Tree) -> Iterator[str]:
    for name in tree.select(*SOURCES):
        text = tree.text(name)
        limit = LONGEST_TEST if is_test(name) else LONGEST
        lines = text.count("\n")
        if lines > limit and not name.endswith(GENERATED):
            yield f"{name}: {lines} lines, at most {limit}: a second idea wants its own module"
        if name.endswith(".py") and not has_opening(text):
            yield f"{name}: does not open with a sentence saying what it is for"


def is_test(name: str) -> bool:
    return "/tests/" in name or ".test." in name


def has_opening(text: str) -> bool:
    opening = ast.get_docstring(ast.parse(text)) or ""
    return opening.split("\n\n")[0].endswith((".", "?", ":"))
