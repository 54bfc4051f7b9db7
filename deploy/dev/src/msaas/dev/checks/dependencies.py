"""Requires every unit to declare what it imports and nothing else.

deptry checks third-party packages; it cannot analyse the namespace that the units share.
"""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msaas.cli.commands import ENTRY_POINT_GROUP
from msaas.dev.checks.tree import Tree
from msaas.dev.lock import projects, read_toml
from msaas.dev.workspace import tool_path

# A module, or a function of it, named in a string: as `python -m` and tables of commands do.
TARGET = re.compile(r"msaas\.\w+(?:\.\w+)*(?::\w+)?")


def find_problems(tree: Tree) -> Iterator[str]:
    for project in projects(tree.root):
        unit = project.parent
        yield from run_deptry(unit)
        yield from compare_internal_dependencies(unit, read_toml(project)["project"])


def run_deptry(unit: Path) -> Iterator[str]:
    settings = read_toml(unit / "pyproject.toml")
    ignored = {rule: set(names) for rule, names in ignored_rules(settings).items()}
    ignored["DEP002"] = ignored.get("DEP002", set()) | declared_internal_units(settings["project"])
    mapping = ",".join(f"{rule}={'|'.join(sorted(names))}" for rule, names in ignored.items())
    words = [tool_path("deptry"), "src", "--no-ansi", "--known-first-party", "msaas"]
    ended = subprocess.run(
        [*words, "--per-rule-ignores", mapping],
        cwd=unit,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        yield f"{unit.name}:\n{ended.stdout}{ended.stderr}".strip()


def ignored_rules(settings: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return what a unit exempts, such as a package that is found by name and not imported."""
    return settings.get("tool", {}).get("deptry", {}).get("per_rule_ignores", {})


def compare_internal_dependencies(unit: Path, project: Mapping[str, Any]) -> Iterator[str]:
    declared = declared_internal_units(project)
    used = {
        f"msaas-{name.replace('_', '-')}"
        for source in sorted((unit / "src").rglob("*.py"))
        for name in mentioned_units(ast.parse(source.read_text()))
    } - {project["name"]}
    for name in sorted(used - declared):
        yield f"{unit.name}: uses {name} but does not declare it"
    for name in sorted(declared - used):
        yield f"{unit.name}: declares {name} but does not use it"


def declared_internal_units(project: Mapping[str, Any]) -> set[str]:
    return {
        name
        for requirement in project.get("dependencies", [])
        if (name := re.split(r"[^\w-]", requirement)[0]).startswith("msaas-")
    }


def mentioned_units(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module=str(name)) if name.startswith("msaas."):
                yield name.split(".")[1]
            case ast.Import(names=aliases):
                yield from (
                    alias.name.split(".")[1] for alias in aliases if alias.name.startswith("msaas.")
                )
            case ast.Constant(value=str(word)) if (
                TARGET.fullmatch(word) and word != ENTRY_POINT_GROUP
            ):
                yield re.split(r"[.:]", word)[1]
            case _:
                pass
