"""Bulk changes: which jobs are to be cancelled or retried, and how far it has come."""

from msaas.postgres.revision_scripts import run_script

revision = "202611302320_bulk_changes"
down_revision = "202611302310_api_key_of_a_job"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
