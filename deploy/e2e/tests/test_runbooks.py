"""The commands in the runbooks run on a fleet."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from msaas.dev.chaos import IsolatedFleet
from msaas.dev.workspace import ROOT

COMMAND_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMANDS = [
    pytest.param(path, textwrap.dedent(block), id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs/runbooks").glob("runbook-*.md"))
    for number, (_, block) in enumerate(COMMAND_BLOCK.findall(path.read_text()))
]


@pytest.mark.parametrize(("path", "block"), COMMANDS)
def test_read_only_commands_succeed(fleet: IsolatedFleet, path: Path, block: str) -> None:
    completed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env={**os.environ, **fleet.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, f"{path.name}\n{block}\n{completed.stdout}{completed.stderr}"
    assert completed.stdout.strip() or "grep" in block or "if [" in block, block
