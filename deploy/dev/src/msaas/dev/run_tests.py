"""`./msaas test`: pytest over the repository in parallel, or over what a change can reach."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from msaas.dev import dashboard
from msaas.dev.changed_tests import ReachableTests, find_default_ref
from msaas.dev.checks import Tree
from msaas.dev.checks.records import list_changes
from msaas.dev.workspace import ROOT, module_command
from msaas.embedded import MissingProgram
from msaas.local.chromium import ensure_chromium

# Tests wait for servers more than they compute, so there are more workers than cores.
WORKERS_PER_CORE = 2
# Tests with real processes can fail because the machine stalled for seconds.
MAX_RETRIED = 3
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas test", add_help=False, allow_abbrev=False)
    parser.add_argument("--changed", nargs="?", const="", metavar="REF")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--retry-flaky", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    chosen, arguments = parser.parse_known_args(argv)
    if chosen.changed is not None:
        return run_changed(Tree(ROOT), chosen.changed, arguments)
    if arguments:
        return _run(pytest_command(arguments, Path.cwd()))
    return run_everything(
        slow=chosen.slow, retry_flaky=chosen.retry_flaky, coverage=chosen.coverage
    )


def run_everything(*, slow: bool, retry_flaky: bool, coverage: bool) -> int:
    """Run the tests, where `slow` is set also those that load the whole machine.

    Measuring the coverage doubles the processor time of the tests.
    """
    try:
        ensure_chromium(print)  # some tests drive a real browser; installing one may take a while
    except MissingProgram as missing:
        print(f"msaas: {missing}", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        failures = Path(folder) / "failed"
        chosen = [] if slow else ["-m", "not slow"]
        measuring = ["--cov", "--cov-report=term"] if coverage else []
        code = _run([*pytest_command(chosen, ROOT), *measuring, f"--failed-to={failures}"])
        failed = failures.read_text().splitlines() if failures.exists() else []
    if retry_flaky and code == 1:
        code = retry_alone(failed, coverage=coverage)
    # After pytest: beside it both would take longer. Playwright names what passed only then.
    retries = ["--retries=1"] if retry_flaky else []
    return dashboard.run(["test", *retries] if slow else ["check"]) or code


def run_changed(tree: Tree, ref: str, arguments: list[str]) -> int:
    """Run the tests that the difference between the working tree and a commit can reach."""
    ref = ref or find_default_ref(tree)
    selection = ReachableTests(tree).select(list_changes(tree, ref))
    if selection.everything:
        print(f"msaas: the change since {ref} can reach every test", flush=True)
        return _run(pytest_command(["-m", "not slow", *arguments], ROOT))
    print(f"msaas: {len(selection.tests)} test modules for the change since {ref}", flush=True)
    tests = sorted(selection.tests)
    return _run(pytest_command([*arguments, *tests], ROOT)) if tests else 0


def retry_alone(failed: list[str], *, coverage: bool) -> int:
    """Run the few tests that failed again, without others beside them; name those that pass."""
    if not 0 < len(failed) <= MAX_RETRIED:
        return 1
    print(f"\nmsaas: {len(failed)} failed; retrying them alone:", flush=True)
    if code := _run([*module_command("pytest"), *failed]):
        return code
    print("msaas: flaky, passed only alone; each needs investigation:", *failed, sep="\n  ")
    return _run([*module_command("coverage"), "report", "--format=total"]) if coverage else 0


def pytest_command(argv: list[str], started_in: Path) -> list[str]:
    workers = max(2, WORKERS_PER_CORE * (os.cpu_count() or 1))
    chosen = [resolve_test_path(argument, started_in) for argument in argv]
    # Tests that share a fleet are one group: they run in one worker, one after the other.
    return [*module_command("pytest"), f"-n{workers}", "--dist=loadgroup", *chosen]


def resolve_test_path(argument: str, started_in: Path) -> str:
    """Make a path absolute that is relative to another folder, since pytest runs at the root."""
    path, separator, test = argument.partition("::")
    if argument.startswith("-") or not (started_in / path).exists():
        return argument
    return f"{(started_in / path).resolve()}{separator}{test}"


def _run(command: list[str]) -> int:
    # Each process of a run imports hundreds of modules, which pytest compiles in its own way.
    environment = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
