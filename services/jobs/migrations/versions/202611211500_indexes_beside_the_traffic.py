"""Indexes of turns, waits and dead letters, built without a lock; safe to run again."""

from collections.abc import Iterable

from alembic import op

revision = "202611211500_indexes_beside_the_traffic"
down_revision = "202611211400_dead_letters"
branch_labels = depends_on = None

INDEXES = {
    "jobs_by_turn": "jobs.jobs (user_id, task_type, status DESC, priority, run_at, id)"
    " WHERE finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL",
    "jobs_by_waking": "jobs.jobs (wake_at) WHERE finished_at IS NULL AND waiting_for IS NOT NULL",
    "job_attempts_by_dispatch": "jobs.job_attempts (dispatched_at)",
    "message_dead_letters_by_time": "jobs.message_dead_letters (created_at DESC, id DESC)",
    "message_dead_letters_by_message": "jobs.message_dead_letters (topic, message_id)",
    "message_dead_letters_open": "jobs.message_dead_letters (topic, class)"
    " WHERE resolved_at IS NULL",
    "jobs_failed": "jobs.jobs (finished_at DESC, id DESC) WHERE status = 'FAILED'",
}
# What dispatch used before it went by turns.
FORMER = {
    "jobs_to_dispatch": "jobs.jobs (user_id, priority, run_at, id)"
    " WHERE status = 'PENDING' AND dispatched_at IS NULL",
}


def upgrade() -> None:
    """Make the new index of dispatch before the old one goes."""
    op.execute("ALTER TABLE jobs.job_attempts VALIDATE CONSTRAINT job_attempts_wait_known")
    with op.get_context().autocommit_block():
        _build(INDEXES)
        _drop(FORMER)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _build(FORMER)
        _drop(INDEXES)


def _build(indexes: dict[str, str]) -> None:
    """Drop each first: one whose building was cut short is there, and of no use."""
    for name, place in indexes.items():
        _drop([name])
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {place}")


def _drop(names: Iterable[str]) -> None:
    for name in names:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS jobs.{name}")
