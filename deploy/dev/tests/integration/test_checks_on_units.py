"""The layout of a unit, its declared dependencies, and the lock files made from them."""

from collections.abc import Callable

import pytest

from msaas.dev import lock
from msaas.dev.checks import Tree, dead_code, dependencies, locks, units

MakeRepository = Callable[[dict[str, str]], Tree]

ROOT_PROJECT = """
[project]
name = "x"
[dependency-groups]
dev = ["pytest"]
bench = ["arq"]
[tool.uv.workspace]
members = ["libs/*"]
[tool.vulture]
paths = ["libs"]
"""
PUBLIC_MODULE = '"""Cache."""\n\n__all__ = ["x"]\n'


def unit(*dependencies: str, name: str = "msaas-cache") -> str:
    return f'[project]\nname = "{name}"\nversion = "0"\ndependencies = {list(dependencies)}\n'


def workspace_files(**changes: str | None) -> dict[str, str]:
    files: dict[str, str | None] = {
        "pyproject.toml": ROOT_PROJECT,
        "libs/cache/pyproject.toml": unit(),
        "libs/cache/README.md": "# cache\n",
        "libs/cache/src/msaas/cache/__init__.py": PUBLIC_MODULE,
        "libs/cache/src/msaas/cache/py.typed": "",
        "libs/cache/tests/unit/test_cache.py": '"""Tests."""\n',
    }
    files |= changes
    return {name: text for name, text in files.items() if text is not None}


def test_a_complete_unit_passes(make_repository: MakeRepository) -> None:
    assert not list(units.find_problems(make_repository(workspace_files())))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"libs/cache/README.md": None}, "README.md: missing"),
        ({"libs/cache/src/msaas/cache/py.typed": None}, "py.typed: missing"),
        ({"libs/cache/pyproject.toml": unit(name="cache")}, "is named cache"),
        ({"libs/cache/src/msaas/cache/__init__.py": '"""Cache."""\n'}, "__all__"),
        ({"libs/cache/tests/unit/test_cache.py": None}, "has no test"),
        ({"libs/cache/tests/test_loose.py": ""}, "tests belong in one of"),
        ({"libs/cache/tests/__init__.py": ""}, "are no packages"),
        ({"libs/cache/src/msaas/__init__.py": ""}, "a namespace that every unit shares"),
    ],
)
def test_a_missing_or_wrong_file_is_reported(
    make_repository: MakeRepository, changes: dict[str, str | None], complaint: str
) -> None:
    (problem,) = units.find_problems(make_repository(workspace_files(**changes)))
    assert complaint in problem


@pytest.mark.parametrize(
    ("declared", "code", "complaint"),
    [
        ((), "import yaml", "DEP003"),
        (("pyyaml",), "", "DEP002"),
        ((), "from msaas.kernel import new_id", "uses msaas-kernel but does not declare it"),
        ((), "import msaas.kernel", "uses msaas-kernel but does not declare it"),
        ((), 'TARGET = "msaas.browser_worker.main:run"', "uses msaas-browser-worker"),
        ((), 'MODULE = "msaas.browser_worker.main"', "uses msaas-browser-worker"),
        (("msaas-kernel",), "", "declares msaas-kernel but does not use it"),
    ],
)
def test_a_unit_declares_what_it_imports_and_nothing_else(
    make_repository: MakeRepository, declared: tuple[str, ...], code: str, complaint: str
) -> None:
    tree = make_repository(
        workspace_files(
            **{
                "libs/cache/pyproject.toml": unit(*declared),
                "libs/cache/src/msaas/cache/__init__.py": PUBLIC_MODULE + code + "\n",
            }
        )
    )
    (problem,) = dependencies.find_problems(tree)
    assert complaint in problem


def test_declared_and_imported_units_agree(make_repository: MakeRepository) -> None:
    tree = make_repository(
        workspace_files(
            **{
                "libs/cache/pyproject.toml": unit("msaas-kernel", "pyyaml"),
                "libs/cache/src/msaas/cache/__init__.py": PUBLIC_MODULE
                + "import yaml\nfrom msaas.kernel import new_id\n"
                + 'GROUP = "msaas.commands"  # no unit\n',
            }
        )
    )
    assert not list(dependencies.find_problems(tree))


def test_a_unit_can_exempt_a_package_that_it_finds_by_name(make_repository: MakeRepository) -> None:
    exemption = '[tool.deptry.per_rule_ignores]\nDEP002 = ["pyyaml"]\n'
    tree = make_repository(
        workspace_files(**{"libs/cache/pyproject.toml": unit("pyyaml") + exemption})
    )
    assert not list(dependencies.find_problems(tree))


def lock_files(tree: Tree, body: str) -> dict[str, str]:
    return {
        each.path: f"{lock.HEADER} {lock.fingerprint(tree.root, each)}\n{body}"
        for each in lock.LOCKS
    }


HASHED = "x==1 --hash=sha256:00\n"


def test_locks_made_from_what_the_units_ask_for_pass(make_repository: MakeRepository) -> None:
    tree = make_repository(workspace_files())
    assert not list(locks.find_problems(make_repository(lock_files(tree, HASHED))))


def test_a_new_dependency_makes_both_locks_stale(make_repository: MakeRepository) -> None:
    make_repository(lock_files(make_repository(workspace_files()), HASHED))
    stale = locks.find_problems(make_repository({"libs/cache/pyproject.toml": unit("pyyaml")}))
    assert len([problem for problem in stale if "made from other dependencies" in problem]) == 2


def test_a_new_description_leaves_the_locks_fresh(make_repository: MakeRepository) -> None:
    make_repository(lock_files(make_repository(workspace_files()), HASHED))
    fresh = make_repository({"libs/cache/pyproject.toml": unit() + 'description = "x"\n'})
    assert not list(locks.find_problems(fresh))


def test_a_lock_without_hashes_or_no_lock_at_all_is_named(make_repository: MakeRepository) -> None:
    tree = make_repository(workspace_files())
    assert len([p for p in locks.find_problems(tree) if "missing" in p]) == 2
    unhashed = list(locks.find_problems(make_repository(lock_files(tree, "x==1\n"))))
    assert len([problem for problem in unhashed if "no hashes" in problem]) == 2


def test_writing_the_header_makes_a_lock_fresh(make_repository: MakeRepository) -> None:
    tree = make_repository(
        workspace_files() | {each.path: f"# old\n{HASHED}" for each in lock.LOCKS}
    )
    for each in lock.LOCKS:
        lock.write_header(tree.root, each)
    assert not list(locks.find_problems(tree))


def test_code_that_nothing_uses_is_found_and_fields_are_left_alone(
    make_repository: MakeRepository,
) -> None:
    code = "class Row:\n    colour: str\n\n\ndef unused():\n    pass\n\n\nprint(Row)\n"
    (problem,) = dead_code.find_problems(
        make_repository(workspace_files(**{"libs/cache/src/msaas/cache/x.py": code}))
    )
    assert "unused function 'unused'" in problem
