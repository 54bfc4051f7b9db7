"""The walk through a first change in CONTRIBUTING.md works as it is printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from msaas.dev.checks import Tree
from msaas.dev.workspace import ROOT

DOCUMENT = (ROOT / "CONTRIBUTING.md").read_text()
STEP = re.compile(r"^```(sh|(?:python|json) file=(\S+))\n(.*?)^```", re.MULTILINE | re.DOTALL)
SOURCES = ("contracts/src", "libs/*/src", "services/*/src", "deploy/*/src", "deploy/local/*/src")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Copy what git tracks into a repository of its own."""
    for name in Tree(ROOT).files:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "config", "user.name", "a"], check=True)
    subprocess.run([*git, "config", "user.email", "a@example.com"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "Start"], check=True)
    return tmp_path


def run_shell(repository: Path, commands: str) -> None:
    """Run commands on the sources of the copy, in the environment of this test."""
    sources = [str(path) for pattern in SOURCES for path in sorted(repository.glob(pattern))]
    command = commands.replace("./msaas", f"{sys.executable} -m msaas.cli")
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sources),
        "PYTEST_ADDOPTS": "-n0",  # one test needs no workers
    }
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=repository,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"


@pytest.mark.timeout(600)
def test_a_first_change_works_as_printed(repository: Path) -> None:
    steps = STEP.findall(DOCUMENT)
    assert len(steps) > 5
    for kind, name, content in steps:
        if kind == "sh":
            run_shell(repository, content)
        else:
            assert (repository / name).exists()
            (repository / name).write_text(content)
    git = ["git", "-C", str(repository)]
    changed = subprocess.run(
        [*git, "diff", "--name-only", "main"], check=True, capture_output=True, text=True
    )
    assert [name for _, name, _ in steps if name and name not in changed.stdout] == []
