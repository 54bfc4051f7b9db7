"""`./msaas test`: pytest over the whole house, in parallel, with the floor of coverage."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from msaas.dev.workspace import ROOT, module_command
from msaas.embedded import MissingProgram
from msaas.local.chromium import ensure_chromium

# Tests wait for servers more than they compute, so there are more workers than cores.
WORKERS_PER_CORE = 2
# Real processes on a machine that stands still for seconds: a few may fail for that alone.
MAX_RETRIED = 3


def run(argv: list[str]) -> int:
    if argv:
        return _run(pytest_command(argv, Path.cwd()))
    try:
        ensure_chromium(print)  # some tests drive a real browser; getting one may take a while
    except MissingProgram as missing:
        print(f"msaas: {missing}", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        failures = Path(folder) / "failed"
        code = _run([*pytest_command([], ROOT), f"--failed-to={failures}"])
        failed = failures.read_text().splitlines() if failures.exists() else []
    return code if code != 1 else retry_alone(failed)


def retry_alone(failed: list[str]) -> int:
    """Run the few tests that failed again, without others beside them; say so when they pass."""
    if not 0 < len(failed) <= MAX_RETRIED:
        return 1
    print(f"\nmsaas: {len(failed)} failed; retrying them alone:", flush=True)
    if code := _run([*module_command("pytest"), *failed]):
        return code
    print("msaas: flaky, passed only alone; each needs investigation:", *failed, sep="\n  ")
    return _run([*module_command("coverage"), "report", "--format=total"])


def pytest_command(argv: list[str], started_in: Path) -> list[str]:
    workers = max(2, WORKERS_PER_CORE * (os.cpu_count() or 1))
    chosen = [resolve_test_path(argument, started_in) for argument in argv]
    coverage = [] if argv else ["--cov", "--cov-report=term"]
    # Tests that share a fleet are one group: they run in one worker, one after the other.
    return [*module_command("pytest"), f"-n{workers}", "--dist=loadgroup", *coverage, *chosen]


def resolve_test_path(argument: str, started_in: Path) -> str:
    """Pytest runs at the root; a path said elsewhere keeps its meaning."""
    path, separator, test = argument.partition("::")
    if argument.startswith("-") or not (started_in / path).exists():
        return argument
    return f"{(started_in / path).resolve()}{separator}{test}"


def _run(command: list[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode
