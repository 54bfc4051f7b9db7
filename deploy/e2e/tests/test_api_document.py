"""The commands of docs/api.md are run in order, and the operations it names exist."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from msaas.dev.chaos import IsolatedFleet
from msaas.dev.chaos.isolated_fleet import PASSWORD
from msaas.dev.workspace import ROOT

DOCUMENT = (ROOT / "docs/api.md").read_text()
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPERATIONS = re.compile(r"`(GET|POST) (/[\w/{}-]+)`")


def test_operations_in_the_document_are_in_the_reference() -> None:
    spec: Any = yaml.safe_load((ROOT / "contracts/openapi/gateway.v1.yaml").read_text())
    named = OPERATIONS.findall(DOCUMENT)
    assert len(named) > 5
    assert not [(verb, path) for verb, path in named if verb.lower() not in spec["paths"][path]]


async def test_the_commands_of_the_document_complete_a_job(
    fleet: IsolatedFleet, tmp_path: Path
) -> None:
    running = fleet.running
    variables = {
        "API": f"{running.gateway_url}/api/v1",
        "AUTH": running.supabase_url,
        "ANON_KEY": running.anon_key,
        "EMAIL": await fleet.make_user("PRO"),
        "PASSWORD": PASSWORD,
    }
    completed = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", "\n".join(COMMANDS.findall(DOCUMENT))],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    output = completed.stdout
    for expected in (
        "echo: ",
        "one job: ",
        '"message": "hello"',
        "COMPLETED",
        "CANCELLED",
        "charged",
        '"jobs_limit": 10000',
        '"code": "validation_failed"',
        "/priority",
        "Ungültige Angaben",
    ):
        assert expected in output, f"{expected!r} is missing in:\n{output}"
