"""`./msaas contracts`: regenerates every committed file that is generated."""

import subprocess

from msaas.dev.breaking.compare import report_breaking_changes
from msaas.dev.checks import Tree
from msaas.dev.workspace import ROOT, module_command

GENERATORS = (
    "msaas.contracts.generate",
    "msaas.dev.asyncapi",
    "msaas.dev.openapi",
    "msaas.dev.schema",
    "msaas.dev.layers",
    "msaas.dev.delivery.generate",
)


def run(argv: list[str]) -> int:
    if argv[:1] == ["--diff"]:
        return report_breaking_changes(Tree(ROOT), *argv[1:2] or ["HEAD"])
    codes = [
        subprocess.run([*module_command(name), *argv], cwd=ROOT, check=False).returncode
        for name in GENERATORS
    ]
    return max(codes)
