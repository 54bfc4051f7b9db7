"""`./msaas bench NAME`: one of the benchmarks in deploy/loadtest."""

import os
import subprocess
import sys

from msaas.cli.commands import report_unknown_name
from msaas.dev.workspace import ROOT


def run(argv: list[str]) -> int:
    scripts = {
        path.name.removesuffix("_bench.py"): path
        for path in sorted(ROOT.glob("deploy/loadtest/*_bench.py"))
    }
    name, *rest = argv or [""]
    if name not in scripts:
        return report_unknown_name(name, scripts, "benchmark")
    # A benchmark imports its neighbours; that folder contains nothing else.
    environment = {**os.environ, "PYTHONPATH": str(scripts[name].parent)}
    command = [sys.executable, "-P", scripts[name], *rest]
    return subprocess.run(command, env=environment, check=False).returncode
