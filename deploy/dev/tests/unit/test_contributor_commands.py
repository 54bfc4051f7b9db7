"""The contributors' commands: how pytest, the locks and the benchmarks are called."""

from functools import partial

import pytest

from msaas.cli import main
from msaas.cli.commands import PACKAGES
from msaas.dev import dashboard, lock, run_tests
from msaas.dev.commands import COMMANDS
from msaas.dev.run_tests import pytest_command
from msaas.dev.workspace import ROOT


def test_the_operators_help_knows_which_commands_this_package_has() -> None:
    assert COMMANDS.keys() <= PACKAGES.keys()


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "speed"]) == 2
    assert "no benchmark 'speed'" in capsys.readouterr().err


class Commands:
    """Records what a whole run starts; commands that contain one of `failing` fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *failing: str) -> None:
        self.pytest: list[list[str]] = []
        self.dashboard: list[list[str]] = []
        self._failing = failing
        monkeypatch.setattr(run_tests, "_run", partial(self._run, self.pytest))
        monkeypatch.setattr(dashboard, "run", partial(self._run, self.dashboard))

    def _run(self, started: list[list[str]], command: list[str]) -> int:
        started.append(command)
        return int(any(word in command for word in self._failing))


@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("slow", [False, True])
def test_a_whole_run_has_the_slow_tests_and_the_coverage_only_with_the_options(
    monkeypatch: pytest.MonkeyPatch, *, slow: bool, coverage: bool
) -> None:
    commands = Commands(monkeypatch)
    given = [*(["--slow"] if slow else []), *(["--coverage"] if coverage else [])]
    assert run_tests.run(given) == 0
    [command] = commands.pytest
    assert ("not slow" in command) != slow
    assert ("--cov" in command) == coverage
    assert commands.dashboard == [["test"] if slow else ["check"]]


def test_a_run_that_retries_lets_the_browser_tests_retry_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = Commands(monkeypatch)
    assert run_tests.run(["--slow", "--retry-flaky"]) == 0
    assert commands.dashboard == [["test", "--retries=1"]]


@pytest.mark.parametrize("failing", ["--dist=loadgroup", "test"])
def test_a_failure_of_any_part_fails_the_whole_run(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    Commands(monkeypatch, failing)
    assert run_tests.run(["--slow", "--coverage"]) == 1


def test_a_path_is_taken_from_the_current_folder() -> None:
    chosen = pytest_command(["tests/unit::test_x", "-x", "no/such/path"], ROOT / "deploy" / "cli")
    assert chosen[-3:] == [f"{ROOT}/deploy/cli/tests/unit::test_x", "-x", "no/such/path"]


def test_the_lock_is_resolved_for_all_systems_with_hashes_and_without_hosts() -> None:
    first, second = (lock.compile_command(ROOT, each, ["--upgrade"]) for each in lock.LOCKS)
    for option in ("--universal", "--generate-hashes", "--no-header", "--upgrade"):
        assert option in first
    assert "--no-emit-package=msaas-kernel" in first
    assert "libs/kernel/pyproject.toml" in first
    assert "--constraints=requirements.lock" in second
    assert not any(option.startswith("--constraints") for option in first)
