"""Let users change their profile, and operators list users in their order."""

from alembic import op

from msaas.postgres.revision_scripts import run_script

revision = "202611302330_profiles"
down_revision = "202611302200_user_access"
branch_labels = depends_on = None


def upgrade() -> None:
    run_script(__file__, "up")
    with op.get_context().autocommit_block():
        # An index whose building was interrupted exists, but is invalid.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS identity.users_by_creation")
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_by_creation"
            " ON identity.users (created_at, id)"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS identity.users_by_creation")
    run_script(__file__, "down")
