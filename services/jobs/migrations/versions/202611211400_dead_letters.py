"""Dead letters that can be listed, replayed within limits, and resolved with a reason."""

from msaas.postgres.revision_scripts import run_script

revision = "202611211400_dead_letters"
down_revision = "202611211300_waits_pauses_and_turns"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
