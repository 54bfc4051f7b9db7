"""The table of verbs: what is said to a person, and what a verb calls."""

from importlib import import_module
from pathlib import Path

import pytest

from msaas.cli import COMMANDS, main
from msaas.dev import lock
from msaas.dev.run_tests import pytest_command
from msaas.dev.workspace import ROOT


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_every_verb_with_what_it_does(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(f"  {name:<10} {verb.summary}" in said for name, verb in COMMANDS.items())


@pytest.mark.parametrize("words", [["help", "down"], ["down", "--help"]])
def test_help_on_a_verb_says_more(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "usage: ./msaas down [--wipe]" in said
    assert "removes the data" in said


@pytest.mark.parametrize("words", [["tset"], ["help", "tset"]])
def test_an_unknown_verb_is_answered_with_the_nearest(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "did you mean 'test'?" in capsys.readouterr().err


def test_a_word_like_no_verb_is_answered_with_all_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["xyzzy"]) == 2
    assert "known: test, check, up" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_calls_something_that_exists(name: str) -> None:
    module, function = COMMANDS[name].target.split(":")
    assert callable(getattr(import_module(module), function))


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "speed"]) == 2
    assert "no benchmark 'speed'" in capsys.readouterr().err


def test_all_tests_run_with_coverage_and_a_choice_of_them_without() -> None:
    here = Path("libs")
    assert "--cov" in pytest_command([], here)
    assert "--cov" not in pytest_command(["-k", "retry"], here)


def test_a_path_said_in_a_folder_is_found_from_the_root() -> None:
    chosen = pytest_command(["tests/unit::test_x", "-x", "no/such/path"], ROOT / "deploy" / "cli")
    assert chosen[-3:] == [f"{ROOT}/deploy/cli/tests/unit::test_x", "-x", "no/such/path"]


def test_the_lock_is_resolved_for_all_systems_with_hashes_and_without_hosts() -> None:
    first, second = (lock.compile_command(ROOT, each, ["--upgrade"]) for each in lock.LOCKS)
    for word in ("--universal", "--generate-hashes", "--no-header", "--upgrade"):
        assert word in first
    assert "--no-emit-package=msaas-kernel" in first
    assert "libs/kernel/pyproject.toml" in first
    assert "--constraints=requirements.lock" in second
    assert not any(word.startswith("--constraints") for word in first)
