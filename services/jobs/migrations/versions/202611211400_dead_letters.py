"""Dead letters that can be listed, replayed within limits, and resolved with a reason."""

from pathlib import Path

from alembic import op

revision = "202611211400_dead_letters"
down_revision = "202611211200_terms_of_a_plan"
branch_labels = depends_on = None

# By name: the tables are in use where this runs.
INDEXES = {
    "message_dead_letters_by_time": "jobs.message_dead_letters (created_at DESC, id DESC)",
    "message_dead_letters_by_message": "jobs.message_dead_letters (topic, message_id)",
    "message_dead_letters_open": "jobs.message_dead_letters (topic, class)"
    " WHERE resolved_at IS NULL",
    "jobs_failed": "jobs.jobs (finished_at DESC, id DESC) WHERE status = 'FAILED'",
}


def upgrade() -> None:
    _run(".up.sql")
    with op.get_context().autocommit_block():
        for name, place in INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {place}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY jobs.{name}")
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
