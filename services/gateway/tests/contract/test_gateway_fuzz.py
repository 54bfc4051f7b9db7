"""Schemathesis finds nothing: what the document allows is taken, and the rest is refused."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

HERE = Path(__file__).parents[4] / "contracts/openapi"
# `./msaas fuzz` asks for more than CI, and for other ones each time.
EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
IN_CI = ("--max-examples", "10", "--generation-deterministic")


@pytest.mark.timeout(170)
async def test_schemathesis_finds_nothing(
    gateway: Any, jobs_service: None, issuer: Any, plant_job: Any, tmp_path: Path
) -> None:
    url = f"{gateway[1]}/api/v1"
    user_id = uuid4()
    token = issuer.token(user_id, app_metadata={"role": "operator", "plan": "ENTERPRISE"})
    authorization = f"Bearer {token}"
    async with httpx.AsyncClient(base_url=url) as http:
        await http.get("/me", headers={"authorization": authorization})
    for status in ("PENDING", "COMPLETED", "FAILED", "CANCELLED"):
        await plant_job(user_id, status)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", str(HERE / "gateway.v1.yaml"), "--url", url),
        *("--header", f"Authorization: {authorization}"),
        *(("--max-examples", EXAMPLES) if EXAMPLES else IN_CI),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    print(said)  # noqa: T201  # for whoever runs the verb
