"""Runs with their ceilings, memos, steps and checkpoints; documents and memories."""

from msaas.postgres.revision_scripts import run_script

revision = "202501010900_add_auth_billing_usage_tables"
down_revision = None
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
