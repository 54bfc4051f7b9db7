"""What runbooks tell to look at can be looked at: their commands run on a fleet."""

import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from msaas.dev.workspace import ROOT

LOOKS = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMANDS = [
    pytest.param(path, textwrap.dedent(block), id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs/runbooks").glob("runbook-*.md"))
    for number, (_, block) in enumerate(LOOKS.findall(path.read_text()))
]


@pytest.mark.parametrize(("path", "block"), COMMANDS)
def test_the_commands_that_only_look_run(fleet: Any, path: Path, block: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env={**os.environ, **fleet.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{path.name}\n{block}\n{done.stdout}{done.stderr}"
    assert done.stdout.strip() or "grep" in block or "if [" in block, block
