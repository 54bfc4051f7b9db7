"""`./msaas test`: pytest over the whole house, in parallel, with the floor of coverage."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from msaas.cli.house import ROOT, module
from msaas.local import MissingPart
from msaas.local.chromium import ensure_chromium

# Tests wait for servers more than they compute, so there are more workers than cores.
WORKERS_PER_CORE = 2
# Real processes on a machine that stands still for seconds: a few may fail for that alone.
MOST_RETRIED = 3


def run(argv: list[str]) -> int:
    if argv:
        return _call(command(argv, Path.cwd()))
    try:
        ensure_chromium(print)  # some tests drive a real browser; getting one may take a while
    except MissingPart as missing:
        print(f"msaas: {missing}", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        failures = Path(folder) / "failed"
        code = _call([*command([], ROOT), f"--failed-to={failures}"])
        failed = failures.read_text().splitlines() if failures.exists() else []
    return code if code != 1 else retry_alone(failed)


def retry_alone(failed: list[str]) -> int:
    """Run the few tests that failed again, without others beside them; say so when they pass."""
    if not 0 < len(failed) <= MOST_RETRIED:
        return 1
    print(f"\nmsaas: {len(failed)} failed; once more, alone:", flush=True)
    if code := _call([*module("pytest"), *failed]):
        return code
    print("msaas: flaky, passed only alone; each wants its cause found:", *failed, sep="\n  ")
    return _call([*module("coverage"), "report", "--format=total"])


def command(argv: list[str], started_in: Path) -> list[str]:
    workers = max(2, WORKERS_PER_CORE * (os.cpu_count() or 1))
    chosen = [anchor(argument, started_in) for argument in argv]
    coverage = [] if argv else ["--cov", "--cov-report=term"]
    # Tests that share a fleet are one group: they run in one worker, one after the other.
    return [*module("pytest"), f"-n{workers}", "--dist=loadgroup", *coverage, *chosen]


def anchor(argument: str, started_in: Path) -> str:
    """Pytest runs at the root; a path said elsewhere keeps its meaning."""
    path, separator, test = argument.partition("::")
    if argument.startswith("-") or not (started_in / path).exists():
        return argument
    return f"{(started_in / path).resolve()}{separator}{test}"


def _call(command: list[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode
