"""`./msaas check`: one line a check, the words of the failing ones, and a code."""

from collections.abc import Callable

import pytest

from msaas.dev.checks import CHECKS, Tree
from msaas.dev.checks.run import run, run_checks, tool_check
from msaas.dev.workspace import tool_path

MakeRepository = Callable[[dict[str, str]], Tree]


def passing_check(_: Tree) -> list[str]:
    return []


def failing_check(_: Tree) -> list[str]:
    return ["this is wrong"]


def test_what_fails_speaks_at_the_end_and_decides_the_code(
    make_repository: MakeRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_checks({"good": passing_check, "bad": failing_check}, make_repository({})) == 1
    said = capsys.readouterr().out
    assert "ok      good" in said
    assert "FAILED  bad" in said
    assert said.index("--- bad\nthis is wrong") < said.index("1 of 2 checks passed")


def test_all_good_is_code_zero(make_repository: MakeRepository) -> None:
    assert run_checks({"good": passing_check}, make_repository({})) == 0


def test_a_tool_fails_with_its_own_words(make_repository: MakeRepository) -> None:
    tree = make_repository(
        {"a.py": "import os\n", "pyproject.toml": "[tool.ruff.lint]\nselect = ['F']\n"}
    )
    (words,) = tool_check(tool_path("ruff"), "check")(tree)
    assert "F401" in words
    assert not tool_check(tool_path("ruff"), "--version")(tree)


def test_an_unknown_check_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lnit"]) == 2
    assert "did you mean 'lint'" in capsys.readouterr().err


def test_named_checks_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaks"]) == 0
    assert "1 of 1 checks passed" in capsys.readouterr().out


def test_every_promised_rule_has_its_check() -> None:
    promised = "types walls dead-code contracts asyncapi dependencies lint format modules metrics"
    words = "units records decisions references leaks locks schema"
    assert {*promised.split(), *words.split()} == {*CHECKS}
