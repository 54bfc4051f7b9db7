"""Jobs that wait and are woken, task types that rest, and a queue that explains itself."""

from pathlib import Path

from alembic import op

revision = "202611211300_waits_pauses_and_turns"
down_revision = "202611211100_retry_expire_and_charges"
branch_labels = depends_on = None

INDEXES = (
    (
        "jobs_by_turn ON jobs.jobs (user_id, task_type, status DESC, priority, run_at, id)"
        " WHERE finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL"
    ),
    "jobs_by_waking ON jobs.jobs (wake_at) WHERE finished_at IS NULL AND waiting_for IS NOT NULL",
    "job_attempts_by_dispatch ON jobs.job_attempts (dispatched_at)",
)
FORMER = (
    "jobs_to_dispatch ON jobs.jobs (user_id, priority, run_at, id)"
    " WHERE status = 'PENDING' AND dispatched_at IS NULL"
)


def upgrade() -> None:
    """Make the new index of dispatch before the old one goes."""
    _run(".up.sql")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE jobs.job_attempts VALIDATE CONSTRAINT job_attempts_wait_known")
        for index in INDEXES:
            op.execute(f"CREATE INDEX CONCURRENTLY {index}")
        op.execute("DROP INDEX CONCURRENTLY jobs.jobs_to_dispatch")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX CONCURRENTLY {FORMER}")
        for index in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY jobs.{index.split()[0]}")
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
