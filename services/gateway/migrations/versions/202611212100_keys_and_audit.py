"""API keys that their users can see and turn over, and audit records on their way."""

from msaas.postgres.revision_scripts import run_script

revision = "202611212100_keys_and_audit"
down_revision = "202501010900_add_auth_billing_usage_tables"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
