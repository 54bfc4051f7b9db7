"""How often a job was released without a start, and how far a republication has come."""

from msaas.postgres.revision_scripts import run_script

revision = "202611301700_releases_and_republish_cursor"
down_revision = "202611301600_standard_names"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
