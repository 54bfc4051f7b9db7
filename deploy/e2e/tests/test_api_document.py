"""What docs/api.md tells a stranger to type is typed here, from the first line to the last."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from msaas.dev.chaos.isolated_fleet import PASSWORD
from msaas.dev.workspace import ROOT

DOCUMENT = (ROOT / "docs/api.md").read_text()
TYPED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`(GET|POST) (/[\w/{}-]+)`")


def test_what_the_document_names_is_in_the_reference() -> None:
    spec: Any = yaml.safe_load((ROOT / "contracts/openapi/gateway.v1.yaml").read_text())
    named = NAMED.findall(DOCUMENT)
    assert len(named) > 5
    assert not [(verb, path) for verb, path in named if verb.lower() not in spec["paths"][path]]


async def test_a_stranger_who_types_it_all_has_a_job_done(fleet: Any, tmp_path: Path) -> None:
    running = fleet.running
    given = {
        "API": f"{running.gateway_url}/api/v1",
        "AUTH": running.supabase_url,
        "ANON_KEY": running.anon_key,
        "EMAIL": await fleet.make_user("PRO"),
        "PASSWORD": PASSWORD,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", "\n".join(TYPED.findall(DOCUMENT))],
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
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
        assert expected in said, f"{expected!r} is missing in:\n{said}"
