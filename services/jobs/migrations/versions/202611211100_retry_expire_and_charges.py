"""A failed job begun anew, deadlines that are looked for, and charges that their payer sees."""

from alembic import op

from msaas.postgres.revision_scripts import run_script

revision = "202611211100_retry_expire_and_charges"
down_revision = "202501010900_add_auth_billing_usage_tables"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_by_deadline ON jobs.jobs (deadline_at)"
            " WHERE finished_at IS NULL AND deadline_at IS NOT NULL"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS jobs.jobs_by_deadline")
    run_script(__file__, "down")
