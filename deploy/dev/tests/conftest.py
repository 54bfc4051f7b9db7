"""Builds small repositories with one thing wrong in each."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from msaas.dev.checks import Tree

MakeRepository = Callable[[dict[str, str]], Tree]


@pytest.fixture
def make_repository(tmp_path: Path) -> MakeRepository:
    """Write files into a repository of their own and hand back what a check sees of it."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def write(files: dict[str, str]) -> Tree:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Tree(tmp_path)

    return write


@pytest.fixture
def commit(tmp_path: Path) -> Callable[[], None]:
    """Make a commit of all that is planted so far."""

    def write() -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
        subprocess.run(["git", "-C", tmp_path, *who, "commit", "-qm", "x"], check=True)

    return write


@pytest.fixture
def record() -> Callable[..., str]:
    """Write an Implementation Record that lists the given paths."""

    def write(*paths: str) -> str:
        lines = "\n".join(f"- {path}" for path in paths)
        aligned = "\n".join(f"- ADR-000{n}: agrees." for n in (1, 3, 5, 6, 7, 8))
        return (
            f"# Ground\n\n## Summary\n\nx\n\n## Files Modified\n\n{lines}\n\n"
            f"## Implementation Details\n\nx\n\n## Architecture Alignment Check\n\n{aligned}\n\n"
            "## Tests Added / Updated\n\nx\n\n## Operational Considerations\n\nx\n"
        )

    return write
