"""Where the repository and the programs of its environment stand."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]


def tool_path(name: str) -> str:
    """Name a program that is installed beside the interpreter that runs this."""
    return str(Path(sys.executable).with_name(name))


def module_command(name: str) -> list[str]:
    """Begin a command that runs a module, whatever lies in the current folder."""
    return [sys.executable, "-P", "-m", name]
