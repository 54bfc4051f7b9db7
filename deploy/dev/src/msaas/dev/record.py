"""`./msaas record KEY`: writes the file list of an Implementation Record from git."""

import argparse
import re
import sys
from datetime import UTC, datetime

from msaas.dev.changed_tests import find_default_ref
from msaas.dev.checks import Tree
from msaas.dev.checks.records import FOLDER, is_record, list_changes, section
from msaas.dev.workspace import ROOT

KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LIST = "Files Modified"


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas record", description=__doc__)
    parser.add_argument("key", help="what the record's file is named for, like plain-words")
    parser.add_argument("--since", help="the last commit before the change; else where main is")
    chosen = parser.parse_args(argv)
    if not KEY.fullmatch(chosen.key):
        print(f"msaas: {chosen.key!r} is no key: lower case and hyphens", file=sys.stderr)
        return 2
    tree = Tree(ROOT)
    print(write_record(tree, chosen.key, chosen.since or find_default_ref(tree)))
    return 0


def write_record(tree: Tree, key: str, since: str) -> str:
    """List what changed since a commit in the record of this key, and return its path."""
    known = [name for name in tree.files if is_record(name) and name[len(FOLDER) + 11 : -3] == key]
    path = known[0] if known else f"{FOLDER}{datetime.now(UTC):%Y-%m-%d}-{key}.md"
    text = tree.text(path if known else f"{FOLDER}TEMPLATE.md")
    commit = tree.git("rev-parse", "--short=12", f"{since}^{{commit}}").strip()
    changed = sorted({*list_changes(tree, commit), path})
    lines = [
        f"- `{name}`{'' if name == path or tree.is_file(name) else ' (removed)'}"
        for name in changed
    ]
    listed = "\n".join(["", f"Since commit `{commit}`:", "", *lines, "", ""])
    heading = f"## {LIST}\n"
    (tree.root / path).write_text(
        text.replace(heading + section(text, LIST), heading + listed), encoding="utf-8"
    )
    return path
