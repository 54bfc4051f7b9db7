"""Checks that links, paths and commands in documents exist."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from msaas.cli.commands import find_commands
from msaas.dev.checks.tree import Tree

LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
REMOVED = re.compile(r"^[-*] `[^`]+` \(removed\)$", re.MULTILINE)  # how records list deleted files
COMMAND = re.compile(r"\./msaas[ \t]+([a-z][\w-]*)")
PATH = re.compile(r"(?:\./)?[\w.-]+(?:/[\w.*-]+)*/?")
UNIT_FOLDERS = ("src", "tests")


def find_problems(tree: Tree) -> Iterator[str]:
    commands = find_commands()
    for name in tree.select(".md"):
        text = tree.text(name)
        yield from (
            f"{name}: there is no command `./msaas {verb}`"
            for verb in COMMAND.findall(text)
            if verb not in commands
        )
        prose = REMOVED.sub("", FENCE.sub("", text))
        yield from (
            f"{name}: links to {link}, which does not exist"
            for link in LINK.findall(prose)
            if "://" not in link and not link.startswith(("#", "mailto:"))
            if not exists(tree, name, link.partition("#")[0])
        )
        yield from (
            f"{name}: names `{span}`, which does not exist"
            for span in SPAN.findall(prose)
            if is_path(tree, span) and not exists(tree, name, span.partition("::")[0])
        )


def is_path(tree: Tree, span: str) -> bool:
    """Recognise a path by its first folder: one of the repository or of every unit."""
    first, slash, _ = span.removeprefix("./").partition("/")
    known = first in {*UNIT_FOLDERS, "services", "frontend"} or first in tree.folders
    return bool(slash) and known and bool(PATH.fullmatch(span.partition("::")[0]))


def exists(tree: Tree, document: str, path: str) -> bool:
    """Look for a path from the document's folder, from the root, or in some unit."""
    here = PurePosixPath(document).parent
    places = [here / path, PurePosixPath(path)]
    if path.startswith(UNIT_FOLDERS):
        places.append(PurePosixPath("*") / path)
    return any(matches(tree, normalise(place)) for place in places)


def normalise(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def matches(tree: Tree, path: str) -> bool:
    if "*" in path:
        return any(fnmatchcase(name, path) for name in (*tree.files, *tree.folders))
    return path in tree.files or path in tree.folders
