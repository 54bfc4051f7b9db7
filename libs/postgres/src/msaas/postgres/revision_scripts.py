"""Revisions that are written in SQL, in a script beside each."""

from pathlib import Path
from typing import Literal

from alembic import op


def run_script(revision: str, direction: Literal["up", "down"]) -> None:
    """Run what lies beside the revision's file, one statement a paragraph."""
    script = Path(revision).with_suffix(f".{direction}.sql")
    for statement in script.read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
