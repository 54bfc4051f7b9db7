"""Chains of usage are linked once a statement instead of once a row."""

from msaas.postgres.revision_scripts import run_script

revision = "202611211600_chains_linked_by_the_statement"
down_revision = "202611211500_indexes_beside_the_traffic"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")


def downgrade() -> None:
    run_script(__file__, "down")
