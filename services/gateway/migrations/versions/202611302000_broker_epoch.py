"""Rename wire_epoch to broker_epoch, the standard name of what it is about."""

from msaas.postgres.revision_scripts import run_script

revision = "202611302000_broker_epoch"
down_revision = "202611212100_keys_and_audit"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
