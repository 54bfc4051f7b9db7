"""A tour of the command line: what an operator types, and what the answers and exit codes mean."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from msaas.cli import CliCommand, commands, main
from msaas.local.credentials import get_or_create_sealing_keys

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each story its own data folder."""
    monkeypatch.setenv("MSAAS_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


def test_help_lists_the_commands_and_explains_one(capsys: Output) -> None:
    assert main(["help"]) == 0
    assert "  status     list what is running and where" in capsys.readouterr().out
    assert main(["audit", "--help"]) == 0
    assert "Exits with 1 on a violation" in capsys.readouterr().out


def test_status_fails_when_nothing_is_running(capsys: Output) -> None:
    assert main(["status"]) == 1
    assert capsys.readouterr().out == "nothing is running\n"


def test_an_error_is_one_line_that_names_the_remedy(capsys: Output) -> None:
    assert main(["migrate"]) == 1
    assert capsys.readouterr().err == (
        "✗ Set DATABASE_URL, or start a Postgres with `./msaas up`.\n"
    )


def test_a_database_is_migrated_and_audited(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for _ in range(2):  # safe to repeat
        assert main(["migrate"]) == 0
    assert "migrated: gateway, agents, billing, jobs\n" in capsys.readouterr().out
    assert main(["audit"]) == 0
    assert capsys.readouterr().out.endswith("✓ nothing lost, nothing twice\n")


def test_rotation_keeps_the_previous_keys(home: Path, capsys: Output) -> None:
    (before,) = get_or_create_sealing_keys(home / "secrets")
    assert main(["rotate"]) == 0
    current, previous = get_or_create_sealing_keys(home / "secrets")
    assert previous.public.id == before.public.id
    assert current.public.id in capsys.readouterr().out


def hello(argv: list[str]) -> int:
    print("hello", *argv)
    return 0


TABLE = {"hello": CliCommand(f"{__name__}:hello", "[NAME]", "greet")}


def test_a_package_adds_commands_with_an_entry_point(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """In its `pyproject.toml`: `[project.entry-points."msaas.commands"]`."""

    def find_entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint("example", f"{__name__}:TABLE", group)]

    monkeypatch.setattr(commands, "entry_points", find_entry_points)
    assert main(["hello", "world"]) == 0
    assert capsys.readouterr().out == "hello world\n"
