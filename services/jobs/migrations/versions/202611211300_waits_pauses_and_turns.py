"""Jobs that wait and are woken, task types that rest, and a queue that explains itself."""

from msaas.postgres.revision_scripts import run_script

revision = "202611211300_waits_pauses_and_turns"
down_revision = "202611211200_terms_of_a_plan"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
