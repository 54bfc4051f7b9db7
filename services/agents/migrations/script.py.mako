"""${message}."""

from pathlib import Path

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = depends_on = None


def upgrade() -> None:
    _run(".up.sql")


def downgrade() -> None:
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
