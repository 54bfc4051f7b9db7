"""`./msaas new`: what it writes into a copy of the repository passes the checks."""

import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from msaas.dev.checks import Tree, dependencies, locks, modules, units
from msaas.dev.new import (
    KINDS,
    TEMPLATES,
    CannotScaffold,
    find_free_port,
    insert,
    name_variables,
    render_files,
    run,
    scaffold,
)
from msaas.dev.workspace import ROOT, module_command, tool_path

# A copy of the repository is made once, and many programs run in it.
pytestmark = pytest.mark.timeout(600)
NAMES = {
    "task": "read_heading",
    "endpoint": "my-plan",
    "message": "tag_job",
    "service": "note-taker",
}
SERVICE = "services/note-taker"
# What a person edits by hand after a scaffold.
MOST_FILES = {"task": 6, "endpoint": 5, "message": 5}


@dataclass(frozen=True)
class Copy:
    """A copy of the repository whose own modules are imported, with one scaffold of each kind."""

    root: Path
    written: dict[str, list[str]]

    def run(self, command: list[str]) -> None:
        sources = sorted(
            str(path) for path in self.root.glob("**/src") if (path / "msaas").is_dir()
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
        ended = subprocess.run(
            command, cwd=self.root, env=environment, check=False, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def select(self, *endings: str) -> list[str]:
        paths = [path for written in self.written.values() for path in written]
        return [path for path in paths if path.endswith(endings)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    root = tmp_path_factory.mktemp("copy")
    for name in Tree(ROOT).files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "-q", root], check=True)
    made = Copy(root, {})
    for kind, name in NAMES.items():
        made.run([*module_command("msaas.cli"), "new", kind, name])
        variables = name_variables(root, name, "jobs.commands")
        made.written[kind] = list(render_files(TEMPLATES / kind, variables))
    return made


def test_every_kind_has_files_and_instructions(copy: Copy) -> None:
    for kind in KINDS:
        assert all((copy.root / path).is_file() for path in copy.written[kind])
        assert "edit" in (TEMPLATES / kind / "next.txt").read_text()


@pytest.mark.parametrize("kind", MOST_FILES)
def test_few_files_are_left_to_edit_by_hand(kind: str) -> None:
    files = list(TEMPLATES.joinpath(kind).rglob("*.tmpl"))
    insertions = tomllib.loads((TEMPLATES / kind / "insert.toml").read_text())["insert"]
    code = {each["file"] for each in insertions if not each.get("optional")}
    assert len(files) + len(code) <= MOST_FILES[kind]


def test_the_new_files_are_linted_formatted_and_typed(copy: Copy) -> None:
    files = copy.select(".py")
    copy.run([tool_path("ruff"), "check", *files])
    copy.run([tool_path("ruff"), "format", "--check", *files])
    copy.run([tool_path("basedpyright"), *files])


def test_the_walls_stand_and_the_generated_files_are_fresh(copy: Copy) -> None:
    copy.run([tool_path("lint-imports"), "--no-cache"])
    for generator in ("msaas.contracts.generate", "msaas.dev.asyncapi", "msaas.dev.openapi"):
        copy.run([*module_command(generator), "--check"])
    for generator in ("msaas.dev.layers", "msaas.dev.delivery.generate"):
        copy.run([*module_command(generator), "--check"])


def test_the_new_service_has_the_layout_of_a_unit_and_needs_no_new_lock(copy: Copy) -> None:
    tree = Tree(copy.root)
    assert not list(units.find_problems_of(tree, copy.root / SERVICE))
    project = copy.root / SERVICE / "pyproject.toml"
    declared = tomllib.loads(project.read_text())["project"]
    assert not list(dependencies.run_deptry(project.parent))
    assert not list(dependencies.compare_internal_dependencies(project.parent, declared))
    assert not list(locks.find_problems(tree))
    new_modules = {*copy.select(".py")}
    assert not [p for p in modules.find_problems(tree) if p.partition(":")[0] in new_modules]


def test_the_new_service_is_delivered_without_an_edit(copy: Copy) -> None:
    assert (copy.root / SERVICE / "Dockerfile").is_file()
    assert "\nasyncpg==" not in (copy.root / SERVICE / "requirements.lock").read_text()
    for document in ("docker-compose.yaml", "deploy/k8s/base/kustomization.yaml"):
        assert "note-taker" in (copy.root / document).read_text()


def test_the_generated_tests_pass(copy: Copy) -> None:
    tests = [path for path in copy.select(".py") if "/test_" in path and "_task.py" not in path]
    assert len(tests) == 6
    copy.run([*module_command("pytest"), "-q", "-p", "no:cov", *tests])


def test_a_name_that_is_taken_or_invalid_is_refused(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["task", "No Name"]) == 1
    assert "is no name" in capsys.readouterr().err
    with pytest.raises(CannotScaffold, match="exists"):
        scaffold(copy.root, "task", name_variables(copy.root, NAMES["task"], ""))


def test_each_service_gets_a_port_of_its_own(copy: Copy) -> None:
    assert find_free_port(copy.root) == find_free_port(ROOT) + 1


def test_a_file_that_lacks_the_expected_line_is_named() -> None:
    insertion: dict[str, object] = {"file": "a.py", "after": "^x$", "text": "new\n"}
    with pytest.raises(CannotScaffold, match=r"a\.py has nothing that matches"):
        insert("y\n", insertion, {})
    assert insert("y\n", insertion | {"optional": True}, {}) == "y\n"
    assert insert("x\n", insertion | {"unless": "x"}, {}) == "x\n"
    assert insert("x\ny\n", insertion | {"after": "^x\n"}, {}) == "x\nnew\ny\n"
