"""Let operators change roles, ban accounts and end sessions."""

from msaas.postgres.revision_scripts import run_script

revision = "202611302200_user_access"
down_revision = "202611302100_gateway_column_grants"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
