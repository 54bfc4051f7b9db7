"""A user's usage by time, for sums by day; it takes the place of the index by user alone."""

from alembic import op

revision = "202611212400_usage_by_day"
down_revision = "202611212350_network_of_a_run"
branch_labels = depends_on = None

FORMER, PRESENT = "usage_events_by_user", "usage_events_by_user_and_time"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _build(PRESENT, "user_id, occurred_at")
        _drop(FORMER)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _build(FORMER, "user_id")
        _drop(PRESENT)


def _build(name: str, columns: str) -> None:
    """Drop it first: one whose building was cut short is there, and of no use."""
    _drop(name)
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON jobs.usage_events ({columns})")


def _drop(name: str) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS jobs.{name}")
