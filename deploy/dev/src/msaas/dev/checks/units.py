"""Requires the same layout of every unit of the workspace."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msaas.dev.checks.tree import Tree
from msaas.dev.lock import projects, read_toml

TEST_KINDS = {"unit", "integration", "contract", "fundamentals"}


def find_problems(tree: Tree) -> Iterator[str]:
    for project in projects(tree.root):
        yield from find_problems_of(tree, project.parent)
    yield from (
        f"{name}: msaas is a namespace that every unit shares, so no unit owns this file"
        for name in tree.select("src/msaas/__init__.py")
    )
    yield from (
        f"{name}: test folders are no packages"
        for name in tree.select("__init__.py")
        if "/tests/" in name
    )


def find_problems_of(tree: Tree, folder: Path) -> Iterator[str]:
    unit = folder.relative_to(tree.root).as_posix()
    package = folder.name.replace("-", "_")
    public_module = f"{unit}/src/msaas/{package}/__init__.py"
    for needed in (
        f"{unit}/README.md",
        public_module,
        public_module.replace("__init__.py", "py.typed"),
    ):
        if needed not in tree.files:
            yield f"{needed}: missing"
    name = read_toml(folder / "pyproject.toml")["project"]["name"]
    if name != f"msaas-{folder.name}":
        yield f"{unit}: is named {name}, not msaas-{folder.name}"
    if public_module in tree.files and not declares_public_api(tree.text(public_module)):
        yield f"{public_module}: does not define __all__"
    yield from find_problems_of_tests(tree, unit)


def find_problems_of_tests(tree: Tree, unit: str) -> Iterator[str]:
    tests = [name for name in tree.files if name.startswith(f"{unit}/tests/")]
    if not any("/test_" in name for name in tests):
        yield f"{unit}/tests: has no test"
    for name in tests:
        kind = name.removeprefix(f"{unit}/tests/").split("/")[0]
        if "/test_" in name and kind not in TEST_KINDS:
            yield f"{name}: tests belong in one of {', '.join(sorted(TEST_KINDS))}"


def declares_public_api(text: str) -> bool:
    return any(
        isinstance(target, ast.Name) and target.id == "__all__"
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
    )
