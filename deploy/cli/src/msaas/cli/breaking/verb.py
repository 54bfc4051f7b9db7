"""`./msaas contracts --diff REF`: what would break for those who rely on an older commit."""

import subprocess
import sys
from datetime import UTC, datetime

from msaas.cli.breaking.compare import compare
from msaas.cli.checks.tree import Tree

FOLDER = "contracts"
FOLDERS = tuple(f"{FOLDER}/{name}/" for name in ("openapi", "schemas", "samples", "consumers"))


def report(tree: Tree, ref: str) -> int:
    try:
        old = read_commit(tree, ref)
    except subprocess.CalledProcessError:
        print(f"msaas: no commit {ref!r} here", file=sys.stderr)
        return 2
    new = {name: tree.text(name) for name in tree.files if is_promise(name)}
    breaks = list(compare(old, new, datetime.now(UTC).date()))
    print(*breaks, sep="\n", end="\n" if breaks else "")
    print(f"{len(breaks)} of the promises made at {ref} would be broken")
    return 1 if breaks else 0


def read_commit(tree: Tree, ref: str) -> dict[str, str]:
    commit = tree.git("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()
    listed = tree.git("ls-tree", "-r", "-z", "--name-only", commit, FOLDER).split("\0")
    return {name: tree.git("show", f"{commit}:{name}") for name in listed if is_promise(name)}


def is_promise(name: str) -> bool:
    return name.startswith(FOLDERS) and name.endswith((".json", ".yaml")) and "spectral" not in name
