"""`./msaas lock`: hash-pinned lock files without host names, stamped with a hash of their inputs.

A later lock is constrained to the versions of those before it.
"""

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msaas.dev.workspace import ROOT, module_command, tool_path

HEADER = "# inputs sha256:"


@dataclass(frozen=True)
class Lock:
    """One lock file: the workspace's requirements and those of one dependency group."""

    path: str
    group: str


LOCKS = (Lock("requirements.lock", "dev"), Lock("deploy/loadtest/requirements.lock", "bench"))


def run(argv: list[str]) -> int:
    for lock in LOCKS:
        print(f"resolving {lock.path} ...", flush=True)
        subprocess.run(compile_command(ROOT, lock, argv), cwd=ROOT, check=True)
        write_header(ROOT, lock)
    # The images' locks are parts of the first one.
    return subprocess.run(
        module_command("msaas.dev.delivery.generate"), cwd=ROOT, check=False
    ).returncode


def projects(root: Path) -> list[Path]:
    """List the pyproject files of the workspace's members, in a stable order."""
    workspace = read_toml(root / "pyproject.toml")["tool"]["uv"]["workspace"]
    return sorted(
        path for pattern in workspace["members"] for path in root.glob(f"{pattern}/pyproject.toml")
    )


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def compile_command(root: Path, lock: Lock, argv: list[str]) -> list[str]:
    members = projects(root)
    names = [read_toml(path)["project"]["name"] for path in members]
    return [
        tool_path("uv"),
        *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--generate-hashes", "--no-header", "--no-annotate", "--group", lock.group),
        *("--output-file", lock.path, *argv),
        *(f"--constraints={other.path}" for other in LOCKS[: LOCKS.index(lock)]),
        *(f"--no-emit-package={name}" for name in names),
        *(str(path.relative_to(root)) for path in members),
    ]


def fingerprint(root: Path, lock: Lock) -> str:
    """Hash what the resolver reads, and nothing else of those files."""
    top = read_toml(root / "pyproject.toml")
    inputs = {
        "group": top["dependency-groups"].get(lock.group, []),
        "overrides": top["tool"]["uv"].get("override-dependencies", []),
        "units": {
            str(path.parent.relative_to(root)): resolver_inputs(read_toml(path)["project"])
            for path in projects(root)
        },
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def resolver_inputs(project: Mapping[str, Any]) -> list[Any]:
    return [
        project.get("requires-python"),
        sorted(project.get("dependencies", [])),
        project.get("optional-dependencies", {}),
    ]


def write_header(root: Path, lock: Lock) -> None:
    path = root / lock.path
    body = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    path.write_text("\n".join([f"{HEADER} {fingerprint(root, lock)}", *body, ""]))


def recorded_fingerprint(root: Path, lock: Lock) -> str:
    """Read the fingerprint out of a lock file's first line."""
    first, _, _ = (root / lock.path).read_text().partition("\n")
    return first.removeprefix(HEADER).strip()
