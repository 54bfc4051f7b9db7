"""What a run asked of the network: hosts, bytes, and what was refused."""

from msaas.postgres.revision_scripts import run_script

revision = "202611212350_network_of_a_run"
down_revision = "202611212300_files_of_the_run_that_counts"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
