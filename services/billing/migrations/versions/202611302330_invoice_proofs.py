"""What a proof signs, when an invoice is to be proved, and the usage that its user may read."""

from alembic import op

from msaas.postgres.revision_scripts import run_script

revision = "202611302330_invoice_proofs"
down_revision = "202501010900_add_auth_billing_usage_tables"
branch_labels = depends_on = None

INDEXES = {
    "invoices_to_prove": "billing.invoices (prove_at) WHERE prove_at IS NOT NULL",
    "meter_reports_by_subject_and_time": "billing.meter_reports (subject_id, meter_timestamp)",
}


def upgrade() -> None:
    run_script(__file__, "up")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # An index whose building was interrupted exists, but is invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS billing.{name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {columns}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS billing.{name}")
    run_script(__file__, "down")
