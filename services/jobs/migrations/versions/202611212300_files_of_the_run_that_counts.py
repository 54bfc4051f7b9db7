"""Which run ended a job, and so whose files are the job's."""

from pathlib import Path

from alembic import op

revision = "202611212300_files_of_the_run_that_counts"
down_revision = "202611211600_chains_linked_by_the_statement"
branch_labels = depends_on = None


def upgrade() -> None:
    _run(".up.sql")


def downgrade() -> None:
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
