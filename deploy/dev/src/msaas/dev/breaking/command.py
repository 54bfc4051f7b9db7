"""`./msaas contracts --diff REF`: what would break for those who rely on an older commit."""

import subprocess
import sys
from datetime import UTC, datetime

from msaas.dev.breaking.compare import compare_contracts
from msaas.dev.checks.tree import Tree

FOLDER = "contracts"
FOLDERS = tuple(f"{FOLDER}/{name}/" for name in ("openapi", "schemas", "samples", "consumers"))


def report_breaking_changes(tree: Tree, ref: str) -> int:
    try:
        old = read_commit(tree, ref)
    except subprocess.CalledProcessError:
        print(f"msaas: no commit {ref!r} here", file=sys.stderr)
        return 2
    new = {name: tree.text(name) for name in tree.files if is_contract_file(name)}
    breaks = list(compare_contracts(old, new, datetime.now(UTC).date()))
    print(*breaks, sep="\n", end="\n" if breaks else "")
    print(f"{len(breaks)} breaking changes since {ref}")
    return 1 if breaks else 0


def read_commit(tree: Tree, ref: str) -> dict[str, str]:
    commit = tree.git("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()
    listed = tree.git("ls-tree", "-r", "-z", "--name-only", commit, FOLDER).split("\0")
    return {name: tree.git("show", f"{commit}:{name}") for name in listed if is_contract_file(name)}


def is_contract_file(name: str) -> bool:
    return name.startswith(FOLDERS) and name.endswith((".json", ".yaml")) and "spectral" not in name
