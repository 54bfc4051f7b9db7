"""Let the gateway's login update only the columns that it changes."""

from msaas.postgres.revision_scripts import run_script

revision = "202611302100_gateway_column_grants"
down_revision = "202611302000_broker_epoch"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
