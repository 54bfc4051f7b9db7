"""What retention needs: marks and indexes of what is due, and checkpoints of old usage."""

from alembic import op

from msaas.postgres.revision_scripts import run_script

revision = "202611301800_retention"
down_revision = "202611301700_releases_and_republish_cursor"
branch_labels = depends_on = None

INDEXES = {
    "jobs_with_content": "jobs.jobs (finished_at, id)"
    " WHERE finished_at IS NOT NULL AND content_removed_at IS NULL",
    "jobs_with_artifacts": "jobs.jobs (content_removed_at, id)"
    " WHERE content_removed_at IS NOT NULL AND artifacts_removed_at IS NULL",
    "jobs_with_idempotency_key": "jobs.jobs (created_at, id) WHERE idempotency_key IS NOT NULL",
    "message_dead_letters_resolved": "jobs.message_dead_letters (resolved_at, id)"
    " WHERE resolved_at IS NOT NULL",
}


def upgrade() -> None:
    run_script(__file__, "up")
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # An index whose building was interrupted exists, but is invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS jobs.{name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {columns}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS jobs.{name}")
    run_script(__file__, "down")
