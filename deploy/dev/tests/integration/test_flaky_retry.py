"""With --retry-flaky a few failed tests run again alone; a real fault fails there too."""

import subprocess
from pathlib import Path

import pytest

from msaas.dev.run_tests import MAX_RETRIED, retry_alone
from msaas.dev.workspace import ROOT, module_command

ONCE = """
from pathlib import Path

def test_first_time_unlucky():
    before = Path(__file__).with_name("before")
    seen = before.exists()
    before.touch()
    assert seen

def test_wrong():
    assert 1 == 2
"""


@pytest.fixture
def failed(tmp_path: Path) -> list[str]:
    """Return the names of two tests that have just failed."""
    tests, file = tmp_path / "test_once.py", tmp_path / "failed"
    tests.write_text(ONCE)
    plugin = ["-p", "msaas.testing.plugin", f"--failed-to={file}", "-p", "no:cacheprovider"]
    alone = ["-c", "/dev/null", f"--rootdir={tmp_path}", str(tests)]
    assert subprocess.run([*module_command("pytest"), *plugin, *alone], check=False).returncode == 1
    return [f"{tmp_path}/{name}" for name in file.read_text().splitlines()]


def test_a_test_that_passes_alone_is_reported_as_flaky(
    failed: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    unlucky, wrong = failed
    assert (unlucky.split("::")[1], wrong.split("::")[1]) == (
        "test_first_time_unlucky",
        "test_wrong",
    )
    retry_alone([unlucky], coverage=False)
    output = capfd.readouterr().out
    assert "1 passed" in output
    assert "each needs investigation" in output


def test_a_test_that_fails_again_fails_the_run(failed: list[str]) -> None:
    assert retry_alone(failed, coverage=False) == 1


def test_many_failed_tests_are_not_retried(
    failed: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert retry_alone(failed * MAX_RETRIED, coverage=False) == 1
    assert "retrying them" not in capfd.readouterr().out


def test_a_run_keeps_what_it_has_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    tests = tmp_path / "test_compiled.py"
    tests.write_text("def test_nothing():\n    pass\n")
    retry_alone([str(tests)], coverage=False)
    assert list(tmp_path.glob("__pycache__/test_compiled*.pyc"))


def test_ci_asks_for_the_slow_tests_and_the_retry_and_measures_coverage_apart() -> None:
    assert "./msaas test --slow --retry-flaky" in (ROOT / ".ci" / "run").read_text()
    assert "./msaas test --coverage" in (ROOT / ".github/workflows/ci.yml").read_text()
