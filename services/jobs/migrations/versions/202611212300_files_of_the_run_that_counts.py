"""Which run ended a job, and so whose files are the job's."""

from msaas.postgres.revision_scripts import run_script

revision = "202611212300_files_of_the_run_that_counts"
down_revision = "202611211600_chains_linked_by_the_statement"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
