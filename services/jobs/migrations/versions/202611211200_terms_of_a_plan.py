"""What a subscription grants, and how far it is known to reach."""

from msaas.postgres.revision_scripts import run_script

revision = "202611211200_terms_of_a_plan"
down_revision = "202611211100_retry_expire_and_charges"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
