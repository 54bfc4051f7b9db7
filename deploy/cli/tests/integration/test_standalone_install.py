"""The operator's command line installs alone: no service, no test library, no tool."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from msaas.local.home import REPOSITORY

UNIT = "msaas-cli"
UNITS = {
    *(UNIT, "msaas-local", "msaas-embedded", "msaas-contracts", "msaas-kernel", "msaas-sealing"),
    *("msaas-postgres", "msaas-settings", "msaas-telemetry"),
}
FORBIDDEN = {"pytest", "hypothesis", "ruff", "fastapi", "faststream", "playwright"}
RunCommand = Callable[..., subprocess.CompletedProcess[str]]


def find_requirements() -> set[str]:
    """Follow what the installed packages require, from the command line down."""
    found, remaining = set[tuple[str, str]](), {(UNIT, "")}
    while remaining:
        found |= remaining
        required = [list_required(name, extra) for name, extra in remaining]
        remaining = set[tuple[str, str]]().union(*required) - found
    return {name for name, _ in found}


def list_required(name: str, extra: str) -> set[tuple[str, str]]:
    requirements = map(Requirement, requires(name) or [])
    return {
        (canonicalize_name(requirement.name), chosen)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        for chosen in ("", *requirement.extras)
    }


def select_pins(lock: str, names: set[str]) -> str:
    pins = {pin.partition("==")[0]: pin for pin in re.split(r"(?m)^(?=\w)", lock)}
    return "".join(pins[name] for name in sorted(names - UNITS))


def find_unit_folders() -> dict[str, Path]:
    root = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    patterns = root["tool"]["uv"]["workspace"]["members"]
    paths = [path for pattern in patterns for path in REPOSITORY.glob(f"{pattern}/pyproject.toml")]
    return {tomllib.loads(path.read_text())["project"]["name"]: path.parent for path in paths}


def uv(*arguments: str | Path) -> str:
    command = [Path(sys.executable).with_name("uv"), *arguments]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the command line into an environment of its own, from the local package cache."""
    environment = tmp_path_factory.mktemp("alone") / "venv"
    pins = environment.with_name("requirements.txt")
    pins.write_text(
        select_pins((REPOSITORY / "requirements.lock").read_text(), find_requirements())
    )
    folders = find_unit_folders()
    units = [argument for name in sorted(UNITS) for argument in ("-e", folders[name])]
    uv("venv", "--no-project", "--python", sys.executable, environment)
    install = ("pip", "install", "--offline", "--no-deps", "--python", environment)
    uv(*install, "--require-hashes", "-r", pins)
    uv(*install, *units)
    uv("pip", "check", "--python", environment)  # fails where a requirement is missing
    return environment / "bin" / "python"


@pytest.fixture
def run(python: Path, tmp_path: Path) -> RunCommand:
    def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python.with_name("msaas"), *arguments],
            env={"PATH": os.defpath, "MSAAS_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run_command


def test_the_requirements_include_no_service_and_no_test_library() -> None:
    names = find_requirements()
    assert {name for name in names if name.startswith("msaas-")} == UNITS
    assert not names & FORBIDDEN


@pytest.mark.parametrize(
    "arguments", [("help",), ("dlq", "--help"), ("audit", "--help"), ("help", "up")]
)
def test_help_works(run: RunCommand, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: ./msaas" in done.stdout


def test_the_commands_run(run: RunCommand) -> None:
    assert "nothing is running" in run("status").stdout
    assert "start it with `./msaas up`" in run("dlq", "list").stderr
    assert "Set DATABASE_URL" in run("migrate").stderr


def test_a_missing_package_is_named(run: RunCommand) -> None:
    assert "'check' needs the package msaas-dev" in run("check").stderr
    assert "The package msaas-jobs is not installed here." in run("pause", "echo").stderr
