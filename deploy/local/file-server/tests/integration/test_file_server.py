"""The program serves signed links to its folder, whatever host signed them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from msaas.artifacts import LinkSigner
from msaas.embedded import find_free_port
from msaas.testing import wait_until

KEY = "links"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    port = find_free_port()
    given = {"ARTIFACTS_LINK_KEY": KEY, "ARTIFACTS_LINK_URL": "http://artifacts:8020/files"}
    command = [sys.executable, "-P", "-m", "msaas.file_server", f"--port={port}"]
    with subprocess.Popen(
        [*command, f"--folder={tmp_path / 'files'}"], env={**os.environ, **given}
    ) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait() in {0, -15}


async def answer(http: httpx.AsyncClient, url: str) -> int | None:
    try:
        return (await http.get(url)).status_code
    except httpx.TransportError:
        return None


async def test_a_file_goes_in_and_out_by_links_of_two_addresses(address: str) -> None:
    key = f"{uuid4()}/{uuid4()}/page.json"
    inside, outside = (LinkSigner(KEY, f"{base}/files") for base in ("http://inside", address))
    forged = LinkSigner("guessed", f"{address}/files").sign("GET", key, 60)
    path = inside.sign("PUT", key, 60).removeprefix("http://inside")
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(timeout=60) as http:

        async def is_serving() -> bool:
            return await answer(http, address) == 404

        await wait_until(is_serving)
        assert (await http.put(address + path, content=b"{}", headers=headers)).status_code == 200
        assert (await http.get(outside.sign("GET", key, 60))).content == b"{}"
        assert await answer(http, forged) == 403


def test_a_missing_key_is_named() -> None:
    command = [sys.executable, "-P", "-m", "msaas.file_server", "--folder=x"]
    environment = {**os.environ, "ARTIFACTS_LINK_URL": "http://x/files", "ARTIFACTS_LINK_KEY": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "ARTIFACTS_LINK_KEY is missing\n")
