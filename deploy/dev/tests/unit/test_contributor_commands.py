"""The contributors' commands: how pytest, the locks and the benchmarks are called."""

import pytest

from msaas.cli import main
from msaas.cli.commands import PACKAGES
from msaas.dev import lock, run_tests
from msaas.dev.commands import COMMANDS
from msaas.dev.run_tests import pytest_command
from msaas.dev.workspace import ROOT


def test_the_operators_help_knows_which_commands_this_package_has() -> None:
    assert COMMANDS.keys() <= PACKAGES.keys()


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "speed"]) == 2
    assert "no benchmark 'speed'" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "measured"), [([], False), (["--coverage"], True)])
def test_a_whole_run_measures_its_coverage_only_with_the_option(
    monkeypatch: pytest.MonkeyPatch, given: list[str], *, measured: bool
) -> None:
    commands: list[list[str]] = []

    def note(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(run_tests, "_run", note)
    assert run_tests.run(given) == 0
    assert ["--cov" in command for command in commands] == [measured]


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
