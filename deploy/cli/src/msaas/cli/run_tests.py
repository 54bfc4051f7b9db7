"""`./msaas test`: pytest over the whole house, in parallel, with the floor of coverage."""

import os
import subprocess
import sys
from pathlib import Path

from msaas.cli.house import ROOT, module
from msaas.local import MissingPart
from msaas.local.chromium import ensure_chromium

# Tests wait for servers more than they compute, so there are more workers than cores.
WORKERS_PER_CORE = 2


def run(argv: list[str]) -> int:
    try:
        if not argv:
            ensure_chromium(print)  # some tests drive a real browser; getting one may take a while
    except MissingPart as missing:
        print(f"msaas: {missing}", file=sys.stderr)
        return 1
    return subprocess.run(command(argv, Path.cwd()), cwd=ROOT, check=False).returncode


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
