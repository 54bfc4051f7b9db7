"""`./msaas contracts`: everything that is generated from the contracts and committed."""

import subprocess

from msaas.cli.breaking.command import report_breaking_changes
from msaas.cli.checks import Tree
from msaas.cli.workspace import ROOT, module_command

GENERATORS = (
    "msaas.contracts.generate",
    "msaas.cli.asyncapi",
    "msaas.cli.openapi",
    "msaas.cli.schema",
)


def run(argv: list[str]) -> int:
    if argv[:1] == ["--diff"]:
        return report_breaking_changes(Tree(ROOT), *argv[1:2] or ["HEAD"])
    codes = [
        subprocess.run([*module_command(name), *argv], cwd=ROOT, check=False).returncode
        for name in GENERATORS
    ]
    return max(codes)
