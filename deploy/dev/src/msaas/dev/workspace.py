"""Paths of the repository and of the programs in its environment."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]


def tool_path(name: str) -> str:
    """Return the path of a program that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def module_command(name: str) -> list[str]:
    """Return a command that runs a module and ignores the current folder."""
    return [sys.executable, "-P", "-m", name]
