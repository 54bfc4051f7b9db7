"""What the counters of jobs hold, so that reconciliation compares them with the chain."""

from msaas.postgres.revision_scripts import run_script

revision = "202612010010_usage_counts"
down_revision = "202611302330_invoice_proofs"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
