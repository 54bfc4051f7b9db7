"""`./msaas check`: one line per check, the output of failed ones, and an exit code."""

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


def test_failed_checks_are_printed_last_and_the_exit_code_is_1(
    make_repository: MakeRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_checks({"good": passing_check, "bad": failing_check}, make_repository({})) == 1
    output = capsys.readouterr().out
    assert "ok      good" in output
    assert "FAILED  bad" in output
    assert output.index("--- bad\nthis is wrong") < output.index("1 of 2 checks passed")


def test_the_exit_code_is_0_when_all_checks_pass(make_repository: MakeRepository) -> None:
    assert run_checks({"good": passing_check}, make_repository({})) == 0


def test_a_failed_tool_reports_its_own_output(make_repository: MakeRepository) -> None:
    tree = make_repository(
        {"a.py": "import os\n", "pyproject.toml": "[tool.ruff.lint]\nselect = ['F']\n"}
    )
    (problem,) = tool_check(tool_path("ruff"), "check")(tree)
    assert "F401" in problem
    assert not tool_check(tool_path("ruff"), "--version")(tree)


def test_an_unknown_check_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["lnit"]) == 2
    assert "did you mean 'lint'" in capsys.readouterr().err


def test_named_checks_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaks"]) == 0
    assert "1 of 1 checks passed" in capsys.readouterr().out


def test_every_rule_has_its_check() -> None:
    expected = "types walls dead-code contracts asyncapi dependencies lint format modules metrics"
    later = "units records decisions references leaks locks schema layers words any-parameters size"
    assert {*expected.split(), *later.split(), "images"} == {*CHECKS}
