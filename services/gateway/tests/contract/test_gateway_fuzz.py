"""Schemathesis finds no fault: requests that the document allows are accepted, others refused."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from services.gateway.tests.conftest import FakeIssuer, RunningGateway
from services.gateway.tests.contract.conftest import CreateJob

HERE = Path(__file__).parents[4] / "contracts/openapi"
# `./msaas fuzz` generates more examples than CI, and other ones each time.
EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
IN_CI = ("--max-examples", "10", "--generation-deterministic")
# They may end the access of their caller, or turn off what others need: they run after all others.
LAST = ("setUserRole", "setUserBan", "endUserAccess", "setFlag", "unsetFlag")


def build_parameter_config(jobs: list[str], dead_letters: list[str]) -> str:
    """Let most requests name a job that exists."""
    return f"""
[dictionaries]
jobs = {{ values = {jobs} }}
letters = {{ values = {dead_letters} }}

[parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.8 }}
"path.letter_id" = {{ dictionary = "letters", probability = 0.8 }}
"""


# A run sends thousands of requests: on a loaded machine each takes ten times as long.
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_schemathesis_finds_nothing(
    gateway: RunningGateway,
    jobs_service: None,
    billing_service: None,
    issuer: FakeIssuer,
    create_job: CreateJob,
    tmp_path: Path,
) -> None:
    url = f"{gateway.url}/api/v1"
    user_id = uuid4()
    token = issuer.token(user_id, app_metadata={"role": "operator", "plan": "ENTERPRISE"})
    authorization = f"Bearer {token}"
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await http.get("/me", headers={"authorization": authorization})
    statuses = ("PENDING", "COMPLETED", "FAILED", "CANCELLED")
    jobs = [str(await create_job(user_id, status)) for status in statuses]
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        (HERE / "schemathesis.toml").read_text() + build_parameter_config(jobs, jobs[2:3])
    )
    arguments = (
        *("--config-file", str(config)),
        *("run", str(HERE / "gateway.v1.yaml"), "--url", url),
        *("--header", f"Authorization: {authorization}"),
        *(("--max-examples", EXAMPLES) if EXAMPLES else IN_CI),
    )
    for choice in ("exclude", "include"):
        chosen = [f"--{choice}-operation-id={name}" for name in LAST]
        code, output = await run_schemathesis(*arguments, *chosen, folder=tmp_path)
        assert code == 0, output
        assert choice == "include" or "Authentication failed" not in output, output
        print(output)  # noqa: T201  # for whoever runs the verb


async def run_schemathesis(*arguments: str, folder: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output = (await process.communicate())[0].decode()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return process.returncode, output
