"""Checks the decisions (ADRs): one page each, the same headings, an existing check or test."""

import re
from collections.abc import Collection, Iterator

from msaas.dev.checks.records import section
from msaas.dev.checks.tree import Tree

FOLDER = "docs/adrs/"
INDEX = f"{FOLDER}README.md"
NAME = re.compile(r"ADR-\d{4}-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
HEADINGS = ("Context", "Decision", "Consequences", "Held by")
MAX_LINES = 80
CHECK = re.compile(r"`\./msaas check ([\w-]+)`")
ROW = re.compile(r"^\| (\d{4}) \| (.*) \|$", re.MULTILINE)
LINK = re.compile(r"\]\((.+)\)")
RESERVED = re.compile(r"reserved: \w.*|not assigned")
TEST = re.compile(r"`([\w./-]+\.\w+)(?:::(\w+))?`")


def find_problems(tree: Tree, check_names: Collection[str]) -> Iterator[str]:
    index = tree.text(INDEX) if INDEX in tree.files else ""
    yield from find_index_problems(tree, index)
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
        yield from find_problems_of(tree, path, check_names)


def find_index_problems(tree: Tree, index: str) -> Iterator[str]:
    """Require one row per number, in order and without a gap; a reserved number has a purpose."""
    rows = ROW.findall(index)
    numbers = [int(number) for number, _ in rows]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{INDEX}: its numbers are not 1 to {len(numbers)} in order"
    for number, title in rows:
        link = LINK.search(title)
        if link and (f"{FOLDER}{link[1]}" not in tree.files or number not in link[1]):
            yield f"{INDEX}: {number} links to {link[1]}"
        elif not link and not RESERVED.fullmatch(title.strip()):
            yield f"{INDEX}: {number} has neither a decision nor `reserved: ...`"


def find_problems_of(tree: Tree, path: str, check_names: Collection[str]) -> Iterator[str]:
    text = tree.text(path)
    if not NAME.fullmatch(path.removeprefix(FOLDER)):
        yield f"{path}: is not named ADR-NNNN-slug.md"
    if text.count("\n") > MAX_LINES:
        yield f"{path}: longer than one page ({MAX_LINES} lines)"
    if tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) != HEADINGS:
        yield f"{path}: its headings are not {list(HEADINGS)}"
    yield from find_enforcement_problems(tree, path, section(text, "Held by"), check_names)


def find_enforcement_problems(
    tree: Tree, path: str, held_by: str, check_names: Collection[str]
) -> Iterator[str]:
    """Require that every check and test that a decision names exists."""
    checks = CHECK.findall(held_by)
    tests = TEST.findall(held_by)
    if not checks and not tests:
        yield f"{path}: names no check or test that holds it"
    yield from (f"{path}: there is no check {name!r}" for name in checks if name not in check_names)
    for name, test in tests:
        if name not in tree.files:
            yield f"{path}: {name} does not exist"
        elif test and f"def {test}(" not in tree.text(name):
            yield f"{path}: {name} has no {test}"
