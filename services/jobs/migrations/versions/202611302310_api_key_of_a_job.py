"""Which API key submitted a job."""

from msaas.postgres.revision_scripts import run_script

revision = "202611302310_api_key_of_a_job"
down_revision = "202611301800_retention"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
