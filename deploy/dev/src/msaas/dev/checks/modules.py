"""Limits the size of modules, and requires that each opens with a sentence on its purpose."""

import ast
from collections import Counter
from collections.abc import Iterator

from msaas.dev.checks.tree import Tree

MAX_LINES = 400
MAX_TEST_LINES = 500
SOURCES = (".py", ".ts", ".tsx", "msaas")
GENERATED = ("schema.d.ts", "src/msaas/contracts/__init__.py")
# Lines in all, and lines of the longest module, of the libraries that every service relies on.
BUDGETS = {"libs/messaging/src/": (900, 250), "libs/streams/src/": (900, 250)}


def find_problems(tree: Tree) -> Iterator[str]:
    for name in tree.select(*SOURCES):
        text = tree.text(name)
        limit = MAX_TEST_LINES if is_test(name) else MAX_LINES
        lines = text.count("\n")
        if lines > limit and not name.endswith(GENERATED):
            yield f"{name}: {lines} lines, at most {limit}: split the module"
        if name.endswith(".py") and not has_docstring_sentence(text):
            yield f"{name}: does not open with a sentence saying what it is for"
    yield from find_over_budget(tree)


def find_over_budget(tree: Tree) -> Iterator[str]:
    spent = Counter[str]()
    for name in tree.select(".py"):
        folder = next((prefix for prefix in BUDGETS if name.startswith(prefix)), "")
        lines = tree.text(name).count("\n")
        spent[folder] += lines
        if folder and lines > BUDGETS[folder][1]:
            yield f"{name}: {lines} lines, at most {BUDGETS[folder][1]} in {folder}"
    for folder, (most, _) in BUDGETS.items():
        if spent[folder] > most:
            yield f"{folder}: {spent[folder]} lines in all, at most {most}"


def is_test(name: str) -> bool:
    return "/tests/" in name or ".test." in name


def has_docstring_sentence(text: str) -> bool:
    opening = ast.get_docstring(ast.parse(text)) or ""
    return opening.split("\n\n")[0].endswith((".", "?", ":"))
