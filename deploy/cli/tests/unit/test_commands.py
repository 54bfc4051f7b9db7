"""The table of commands: what help prints, and what each command calls."""

from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from msaas.cli import COMMANDS, CliCommand, commands, find_commands, main


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the commands of every other package."""

    def find_none(group: str) -> list[EntryPoint]:
        assert group == commands.ENTRY_POINT_GROUP
        return []

    monkeypatch.setattr(commands, "entry_points", find_none)


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_every_command_with_its_summary(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    output = capsys.readouterr().out
    found = find_commands()
    assert found.keys() >= COMMANDS.keys()
    assert all(f"  {name:<10} {command.summary}" in output for name, command in found.items())


@pytest.mark.parametrize("arguments", [["help", "down"], ["down", "--help"]])
def test_help_explains_one_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "usage: ./msaas down [--wipe]" in output
    assert "removes the data" in output


@pytest.mark.parametrize("arguments", [["stauts"], ["help", "stauts"]])
def test_an_unknown_command_is_answered_with_the_nearest(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "did you mean 'status'?" in capsys.readouterr().err


def test_a_name_like_no_command_is_answered_with_all_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["xyzzy"]) == 2
    assert "known: up, demo, status" in capsys.readouterr().err


@pytest.mark.parametrize("command", find_commands().values(), ids=list(find_commands()))
def test_every_command_calls_a_function_that_exists(command: CliCommand) -> None:
    module, function = command.target.split(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("arguments", [["chaos"], ["help", "chaos"]])
def test_a_command_of_a_package_that_is_not_installed_names_the_package(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "'chaos' needs the package msaas-dev" in capsys.readouterr().err


@pytest.mark.usefixtures("alone")
def test_help_leaves_out_commands_that_are_not_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    assert "  chaos" not in capsys.readouterr().out
