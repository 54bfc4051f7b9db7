"""`./msaas bench NAME`: one of the benchmarks in deploy/loadtest."""

import os
import subprocess
import sys

from msaas.cli.house import ROOT
from msaas.cli.verbs import refuse


def run(argv: list[str]) -> int:
    scripts = {
        path.name.removesuffix("_bench.py"): path
        for path in sorted(ROOT.glob("deploy/loadtest/*_bench.py"))
    }
    name, *rest = argv or [""]
    if name not in scripts:
        return refuse(name, scripts, "benchmark")
    # A benchmark of several modules finds its own, and nothing else lies there.
    beside = {**os.environ, "PYTHONPATH": str(scripts[name].parent)}
    command = [sys.executable, "-P", scripts[name], *rest]
    return subprocess.run(command, env=beside, check=False).returncode
