"""Selects the tests that a change can reach, from git and the imports of modules and tests."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import PurePosixPath

import grimp

from msaas.dev.checks.tree import Tree
from msaas.dev.lock import projects
from msaas.testing.grouping import GROUPS

# A change of these can reach every test.
GLOBAL_FILES = {"conftest.py", "msaas", "pyproject.toml", "requirements.lock"}
SMOKE_TESTS = "deploy/e2e/tests/test_first_job.py"
SMOKE_FOLDERS = ("contracts/", "services/", "deploy/local/")
DOCUMENT_TESTS = "deploy/dev/tests/unit/"
# These run when they change themselves, and in every whole run.
HEAVY = tuple(path for path, group in GROUPS.items() if group in {"one fleet", "heavy"})


@dataclass(frozen=True)
class Selection:
    """The tests to run; `everything` is set where a change can reach all of them."""

    tests: frozenset[str] = frozenset()
    everything: bool = False


def find_default_ref(tree: Tree) -> str:
    """Return the merge base with main, or HEAD where there is no such branch."""
    branches = tree.git("branch", "--list", "--format=%(refname:short)", "main")
    return tree.git("merge-base", "main", "HEAD").strip() if branches.strip() else "HEAD"


@dataclass(frozen=True)
class ReachableTests:
    tree: Tree
    package: str = "msaas"

    def select(self, changed: Iterable[str]) -> Selection:
        changed = set(changed)
        if changed & GLOBAL_FILES:
            return Selection(everything=True)
        modules = self._find_modules(changed)
        reached = modules.union(*map(self._graph.find_downstream_modules, modules))
        selected = {name for name in self._tests if self._imports_of(name) & reached}
        selected = {name for name in selected if not name.startswith(HEAVY)}
        for name in changed:
            selected |= set(self._find_neighbours(name))
        if any(name.startswith(SMOKE_FOLDERS) and "/src/" in name for name in changed):
            selected |= {SMOKE_TESTS} & set(self._tests)
        return Selection(frozenset(selected))

    def _find_neighbours(self, name: str) -> Iterator[str]:
        """Find the tests that a file reaches without an import: itself, below it, or its unit's."""
        if name in self._tests:
            yield name
        elif name.endswith(".md"):
            yield from (test for test in self._tests if test.startswith(DOCUMENT_TESTS))
        elif name.endswith("conftest.py"):
            folder = name.removesuffix("conftest.py")
            yield from (test for test in self._tests if test.startswith(folder))
        else:  # modules that are found at run time, as actions are, are imported by name nowhere
            unit = self._find_unit(name)
            yield from (test for test in self._tests if unit and test.startswith(f"{unit}/tests/"))

    def _find_unit(self, name: str) -> str:
        units = [unit for unit in self._units if name.startswith(f"{unit}/")]
        return max(units, key=len, default="")

    def _find_modules(self, names: Iterable[str]) -> set[str]:
        """Find the modules among the files, without those that were deleted."""
        sources = (name for name in names if "/src/" in name and name.endswith(".py"))
        modules = set(map(to_module, sources))
        return modules & self._graph.modules if modules else modules

    def _imports_of(self, test: str) -> set[str]:
        """Collect what a test module imports, and the conftest modules that apply to it."""
        folders = PurePosixPath(test).parents
        conftests = {str(folder / "conftest.py") for folder in folders} & set(self.tree.files)
        return set[str]().union(
            *(list_imports(self.tree.text(name), self.package) for name in (test, *conftests))
        )

    @cached_property
    def _graph(self) -> grimp.ImportGraph:
        return grimp.build_graph(self.package, cache_dir=None)

    @cached_property
    def _tests(self) -> frozenset[str]:
        return frozenset(
            name
            for name in self.tree.select(".py")
            if "/tests/" in name and PurePosixPath(name).name.startswith("test_")
        )

    @cached_property
    def _units(self) -> list[str]:
        root = self.tree.root
        return [path.parent.relative_to(root).as_posix() for path in projects(root)]


def to_module(path: str) -> str:
    """Turn `libs/cache/src/msaas/cache/store.py` into `msaas.cache.store`."""
    return (
        path.partition("/src/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    )


@cache
def list_imports(text: str, package: str) -> frozenset[str]:
    return frozenset(_find_imports(ast.parse(text), package))


def _find_imports(module: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module=str(name), names=aliases) if name.startswith(package):
                yield name
                yield from (f"{name}.{alias.name}" for alias in aliases)
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases if alias.name.startswith(package))
            case _:
                pass
