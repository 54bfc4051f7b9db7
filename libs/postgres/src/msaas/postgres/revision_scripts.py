"""Runs revisions that are written in SQL."""

from pathlib import Path
from typing import Literal

from alembic import op


def run_script(revision: str, direction: Literal["up", "down"]) -> None:
    """Run the script next to the revision's file; an empty line separates statements."""
    script = Path(revision).with_suffix(f".{direction}.sql")
    for statement in script.read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
