"""Checks the Implementation Records: names, headings, and file lists that agree with git."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from msaas.dev.checks.tree import Tree

FOLDER = "docs/records/"
NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
NOT_RECORDS = {"README.md", "TEMPLATE.md"}
HEADINGS = (
    "Summary",
    "Files Modified",
    "Implementation Details",
    "Architecture Alignment Check",
    "Tests Added / Updated",
    "Operational Considerations",
)
ALIGNED_WITH = ("ADR-0001", "ADR-0003", "ADR-0005", "ADR-0006", "ADR-0007", "ADR-0008")
SINCE = re.compile(r"^Since commit `([0-9a-f]{7,40})`:$", re.MULTILINE)
LISTED = re.compile(r"^[-*] `([^`]+)`( \(removed\))?", re.MULTILINE)


def find_problems(tree: Tree) -> Iterator[str]:
    records = [name for name in tree.files if is_record(name)]
    if not records:
        yield f"{FOLDER}: holds no record"
    for name in records:
        yield from find_problems_of(name, tree.text(name))
    yield from find_unlisted_files(tree, records)
    yield from find_unlisted_changes(tree, records)


def is_record(name: str) -> bool:
    return name.startswith(FOLDER) and name.removeprefix(FOLDER) not in NOT_RECORDS


def find_problems_of(name: str, text: str) -> Iterator[str]:
    if not NAME.fullmatch(name.removeprefix(FOLDER)):
        yield f"{name}: is not named YYYY-MM-DD-short-key.md"
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if tuple(headings) != HEADINGS:
        yield f"{name}: its headings are {headings}, not {list(HEADINGS)}"
    alignment = section(text, "Architecture Alignment Check")
    for decision in ALIGNED_WITH:
        if not re.search(rf"^[-*|] *\**{decision}\b.*\w", alignment, re.MULTILINE):
            yield f"{name}: no line on how it agrees with {decision}"


def section(text: str, heading: str) -> str:
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return found.group(1) if found else ""


def listed_paths(tree: Tree, records: list[str]) -> dict[str, bool]:
    """Map every path that the records list to whether some record says it was removed."""
    paths: dict[str, bool] = {}
    for name in records:
        for path, removed in LISTED.findall(section(tree.text(name), "Files Modified")):
            paths[path] = paths.get(path, False) or bool(removed)
    return paths


def find_unlisted_files(tree: Tree, records: list[str]) -> Iterator[str]:
    """Compare the lists with the tree; `folder/**` stands for all that is below a folder."""
    paths = listed_paths(tree, records)
    for name in tree.files:
        if not any(_is_match(name, path) for path in paths):
            yield f"{name}: no record lists it"
    for path, removed in paths.items():
        if not removed and not any(_is_match(name, path) for name in tree.files):
            yield f"{path}: a record lists it, but it is neither there nor marked (removed)"


def _is_match(name: str, path: str) -> bool:
    """Compare the texts first: a folder of a dynamic route is named like a pattern, `[id]`."""
    return name == path or fnmatchcase(name, path)


def find_unlisted_changes(tree: Tree, records: list[str]) -> Iterator[str]:
    """Compare the newest record with git, if it names its first commit and the clone has it."""
    newest = find_newest(tree, records)
    files = section(tree.text(newest), "Files Modified") if newest else ""
    since = SINCE.search(files)
    if since is None or not tree.has_commit(since[1]):
        return
    listed, changed = {path for path, _ in LISTED.findall(files)}, list_changes(tree, since[1])
    yield from (f"{name}: changed, but {newest} does not list it" for name in changed - listed)
    yield from (f"{name}: listed by {newest}, but not changed" for name in listed - changed)


def list_changes(tree: Tree, since: str) -> set[str]:
    """List what differs between a commit and the working tree, with new and deleted files."""
    changed = tree.git("diff", "--name-only", "--no-renames", since).splitlines()
    return {*changed, *tree.git("ls-files", "--others", "--exclude-standard").splitlines()}


def find_newest(tree: Tree, records: list[str]) -> str:
    """Return the record that no commit has yet, else the one that was added last."""
    if not tree.has_commit("HEAD"):
        return max(records, default="")
    log = tree.git("log", "-M", "--diff-filter=A", "--format=", "--name-only", "--", FOLDER)
    committed = set(tree.git("ls-tree", "-r", "--name-only", "HEAD", FOLDER).splitlines())
    fresh = [name for name in sorted(records, reverse=True) if name not in committed]
    return next((name for name in (*fresh, *log.split()) if name in records), "")
