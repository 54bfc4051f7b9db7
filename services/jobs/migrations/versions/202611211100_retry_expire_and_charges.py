"""A failed job begun anew, deadlines that are looked for, and charges that their payer sees."""

from pathlib import Path

from alembic import op

revision = "202611211100_retry_expire_and_charges"
down_revision = "202501010900_add_auth_billing_usage_tables"
branch_labels = depends_on = None


def upgrade() -> None:
    _run(".up.sql")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_by_deadline ON jobs.jobs (deadline_at)"
            " WHERE finished_at IS NULL AND deadline_at IS NOT NULL"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS jobs.jobs_by_deadline")
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
