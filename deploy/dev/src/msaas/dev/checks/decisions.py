"""Holds the decisions (ADRs): a page each, the same headings, and a check that keeps them true."""

import re
from collections.abc import Iterator

from msaas.dev.checks.records import section
from msaas.dev.checks.tree import Tree

FOLDER = "docs/adrs/"
INDEX = f"{FOLDER}README.md"
NAME = re.compile(r"ADR-\d{4}-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
HEADINGS = ("Context", "Decision", "Consequences", "Held by")
MAX_LINES = 80
CHECK = re.compile(r"`\./msaas check ([\w-]+)`")
TEST = re.compile(r"`([\w./-]+\.\w+)(?:::(\w+))?`")


def find_problems(tree: Tree) -> Iterator[str]:
    index = tree.text(INDEX) if INDEX in tree.files else ""
    numbers: set[str] = set()
    for path in tree.files:
        name = path.removeprefix(FOLDER)
        if not path.startswith(FOLDER) or path == INDEX:
            continue
        if name not in index:
            yield f"{path}: not in {INDEX}"
        if name[:8] in numbers:
            yield f"{path}: its number is taken"
        numbers.add(name[:8])
        yield from find_problems_of(tree, path, name)


def find_problems_of(tree: Tree, path: str, name: str) -> Iterator[str]:
    text = tree.text(path)
    if not NAME.fullmatch(name):
        yield f"{path}: is not named ADR-NNNN-slug.md"
    if text.count("\n") > MAX_LINES:
        yield f"{path}: longer than one page ({MAX_LINES} lines)"
    if tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) != HEADINGS:
        yield f"{path}: its headings are not {list(HEADINGS)}"
    yield from find_enforcement_problems(tree, path, section(text, "Held by"))


def find_enforcement_problems(tree: Tree, path: str, held_by: str) -> Iterator[str]:
    """See that what is said to hold the decision exists."""
    from msaas.dev.checks.run import CHECKS  # late: that table holds this check too

    checks = CHECK.findall(held_by)
    tests = TEST.findall(held_by)
    if not checks and not tests:
        yield f"{path}: names no check or test that holds it"
    yield from (f"{path}: there is no check {name!r}" for name in checks if name not in CHECKS)
    for name, test in tests:
        if name not in tree.files:
            yield f"{path}: {name} does not exist"
        elif test and f"def {test}(" not in tree.text(name):
            yield f"{path}: {name} has no {test}"
