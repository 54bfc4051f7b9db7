"""Finds functions, classes and methods that nothing uses, with vulture.

A field of a model looks unused to it, since the framework reads it; unused local names are ruff's.
"""

import subprocess
from collections.abc import Iterator

from msaas.dev.checks.tree import Tree
from msaas.dev.workspace import tool_path

IGNORED_FINDINGS = (": unused variable", ": unused attribute")


def find_problems(tree: Tree) -> Iterator[str]:
    ended = subprocess.run(
        [tool_path("vulture")], cwd=tree.root, capture_output=True, text=True, check=False
    )
    for line in (ended.stdout + ended.stderr).splitlines():
        if not any(field in line for field in IGNORED_FINDINGS):
            yield line
