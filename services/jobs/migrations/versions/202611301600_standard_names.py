"""Standard names for tables, columns, constraints and indexes; only the catalogue is written."""

from msaas.postgres.revision_scripts import run_script

revision = "202611301600_standard_names"
down_revision = "202611212400_usage_by_day"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
