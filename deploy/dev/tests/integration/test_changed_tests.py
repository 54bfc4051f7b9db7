"""`./msaas test --changed`: the tests that a change can reach, and no others."""

from collections.abc import Callable

import pytest

from msaas.dev.changed_tests import (
    SMOKE_TESTS,
    ReachableTests,
    find_default_ref,
    list_imports,
    to_module,
)
from msaas.dev.checks import Tree
from msaas.dev.checks.records import list_changes
from msaas.dev.run_tests import run_changed
from msaas.dev.workspace import ROOT

MakeRepository = Callable[[dict[str, str]], Tree]
ACTION = "services/browser-worker/src/msaas/browser_worker/actions/markdown.py"
WORKSPACE = "[tool.uv.workspace]\nmembers = []\n"
LIBRARY = "libs/sealing/src/msaas/sealing/__init__.py"


@pytest.fixture(scope="module")
def selector() -> ReachableTests:
    return ReachableTests(Tree(ROOT))


def folders(tests: frozenset[str]) -> set[str]:
    return {test.partition("/tests/")[0] for test in tests}


def test_a_change_in_one_service_runs_its_tests_and_the_smoke_test(
    selector: ReachableTests,
) -> None:
    selection = selector.select([ACTION])
    assert "services/browser-worker" in folders(selection.tests)
    assert not {"services/jobs", "libs/streams"} & folders(selection.tests)
    assert SMOKE_TESTS in selection.tests
    assert not selection.everything


def test_a_change_in_a_library_runs_the_tests_of_units_that_import_it(
    selector: ReachableTests,
) -> None:
    tests = selector.select([LIBRARY]).tests
    assert {"libs/sealing", "services/gateway"} <= folders(tests)
    assert "libs/kernel" not in folders(tests)


def test_a_changed_test_runs_itself_and_a_conftest_what_is_below_it(
    selector: ReachableTests,
) -> None:
    test = "deploy/dev/tests/unit/test_breaking.py"
    assert selector.select([test]).tests == {test}
    assert folders(selector.select(["libs/sealing/tests/conftest.py"]).tests) == {"libs/sealing"}


def test_a_file_that_is_no_module_runs_the_tests_of_its_unit(selector: ReachableTests) -> None:
    assert folders(selector.select(["libs/sealing/pyproject.toml"]).tests) == {"libs/sealing"}
    assert folders(selector.select([LIBRARY.replace("__init__", "gone")]).tests) == {"libs/sealing"}


def test_a_document_runs_the_tests_of_documents(selector: ReachableTests) -> None:
    assert folders(selector.select(["docs/api.md"]).tests) == {"deploy/dev"}


def test_the_locks_and_the_root_project_reach_everything(selector: ReachableTests) -> None:
    assert selector.select(["requirements.lock"]).everything


def test_changed_files_come_from_git(
    make_repository: MakeRepository, commit: Callable[[], None]
) -> None:
    tree = make_repository({"a.py": "", "b.py": ""})
    commit()
    make_repository({"a.py": "changed", "new.py": ""})
    assert list_changes(tree, find_default_ref(tree)) == {"a.py", "new.py"}


def test_module_names_and_imports_are_read_from_files() -> None:
    assert to_module("libs/cache/src/msaas/cache/__init__.py") == "msaas.cache"
    text = "import msaas.web\nfrom msaas.kernel import clock\nimport os\n"
    assert set(list_imports(text, "msaas")) == {"msaas.web", "msaas.kernel", "msaas.kernel.clock"}


def test_a_change_that_reaches_no_test_passes(
    make_repository: MakeRepository,
    commit: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree = make_repository({"notes.txt": ""})
    commit()
    make_repository({"notes.txt": "changed", "pyproject.toml": ""})
    assert ReachableTests(tree).select(list_changes(tree, "HEAD")).everything
    (tree.root / "pyproject.toml").write_text(WORKSPACE)
    commit()
    make_repository({"notes.txt": "changed again"})
    assert run_changed(tree, "HEAD", []) == 0
    assert "0 test modules" in capsys.readouterr().out
