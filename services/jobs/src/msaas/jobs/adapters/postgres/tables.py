"""The tables of schema `jobs`: jobs, their attempts, and what dispatch and republishing keep."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.jobs.adapters.postgres.dead_letters_tables import (
    dead_letter_replays,
    failed_job_resolutions,
    message_dead_letters,
)
from msaas.jobs.adapters.postgres.metadata import metadata
from msaas.jobs.adapters.postgres.usage_tables import (
    subjects,
    usage_checkpoints,
    usage_counters,
    usage_events,
    users,
)
from msaas.postgres.columns import (
    CONTENT,
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    PUBLIC,
    SECRET,
    audit_columns,
    required,
)

__all__ = [
    "broker_epoch",
    "bulk_changes",
    "dead_letter_replays",
    "failed_job_resolutions",
    "job_attempts",
    "jobs",
    "message_dead_letters",
    "metadata",
    "pauses",
    "queue_stats",
    "subjects",
    "usage_checkpoints",
    "usage_counters",
    "usage_events",
]

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), info=PERSONAL),
    required("task_type", Text, info=INTERNAL),
    required("status", Text, server_default="PENDING", info=INTERNAL),
    required("priority", SmallInteger, server_default=text("5"), info=INTERNAL),
    Column("payload", JSONB, info=CONTENT),
    Column("result", JSONB, info=CONTENT),
    Column("result_ref", Text, info=CONTENT),
    required("attempts", SmallInteger, server_default=text("0"), info=INTERNAL),
    required("max_attempts", SmallInteger, info=INTERNAL),
    required("losses", SmallInteger, server_default=text("0"), info=INTERNAL),
    required("releases", SmallInteger, server_default=text("0"), info=INTERNAL),
    required("run_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("deadline_at", INSTANT, info=INTERNAL),
    Column("dispatched_at", INSTANT, info=INTERNAL),
    Column("entry_id", Text, info=INTERNAL),
    Column("fence", Uuid, info=SECRET),
    Column("lease_until", INSTANT, info=INTERNAL),
    Column("waiting_for", ARRAY(Uuid), info=INTERNAL),
    Column("wake_at", INSTANT, info=INTERNAL),
    Column("started_at", INSTANT, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    Column("cancel_requested_at", INSTANT, info=INTERNAL),
    Column("progress", JSONB, info=CONTENT),
    Column("last_error", Text, info=CONTENT),
    Column("failure_reason", Text, info=INTERNAL),
    required("correlation_id", Text, info=INTERNAL),
    Column("traceparent", Text, info=INTERNAL),
    Column("idempotency_key", Text, info=PERSONAL),
    Column("idempotency_item", SmallInteger, info=INTERNAL),
    Column("idempotency_fingerprint", LargeBinary, info=SECRET),
    required("source", Text, info=INTERNAL),
    Column("parent_job_id", Uuid, ForeignKey("jobs.id", ondelete="SET NULL"), info=INTERNAL),
    Column("schedule_id", Uuid, info=INTERNAL),
    required("billable", Boolean, info=INTERNAL),
    Column("usage_period", INSTANT, info=INTERNAL),
    required("reserved", Boolean, server_default=text("false"), info=INTERNAL),
    Column("deleted_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    Column("last_retry_id", Uuid, info=INTERNAL),
    Column("decided_by_fence", Uuid, info=INTERNAL),
    Column("content_removed_at", INSTANT, info=INTERNAL),
    Column("artifacts_removed_at", INSTANT, info=INTERNAL),
    Column("api_key_id", Uuid, info=INTERNAL),
    CheckConstraint(
        "status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')",
        name="jobs_status_known",
    ),
    CheckConstraint(
        "source IN ('dashboard', 'api', 'agent', 'schedule', 'replay')", name="jobs_source_known"
    ),
    CheckConstraint("priority BETWEEN 0 AND 9", name="jobs_priority_in_range"),
    CheckConstraint(
        "attempts >= 0 AND max_attempts >= 1 AND losses >= 0", name="jobs_attempts_count"
    ),
    CheckConstraint(
        "(finished_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))",
        name="jobs_finished_at_matches_status",
    ),
    CheckConstraint("NOT reserved OR finished_at IS NULL", name="jobs_reserved_only_unfinished"),
    CheckConstraint("NOT reserved OR usage_period IS NOT NULL", name="jobs_reserved_in_a_period"),
    CheckConstraint(
        "payload IS NOT NULL OR finished_at IS NOT NULL", name="jobs_unfinished_have_payload"
    ),
    CheckConstraint("num_nonnulls(result, result_ref) <= 1", name="jobs_one_result"),
    # 64 KiB of JSON take up to six times as much as jsonb, whose size costs nothing to measure.
    CheckConstraint("pg_column_size(result) <= 8 * 65536", name="jobs_result_is_small"),
    CheckConstraint("fence IS NULL OR dispatched_at IS NOT NULL", name="jobs_fence_is_dispatched"),
    CheckConstraint(
        "num_nulls(idempotency_key, idempotency_item, idempotency_fingerprint) IN (0, 3)",
        name="jobs_idempotency_complete",
    ),
    Index("jobs_by_user", "user_id", text("created_at DESC"), "id"),
    Index("jobs_by_user_and_status", "user_id", "status"),
    Index("jobs_by_correlation", "correlation_id"),
    Index("jobs_by_parent", "parent_job_id"),
    # Woken jobs of a user and a task type come first: RUNNING sorts after PENDING.
    Index(
        "jobs_by_dispatch_order",
        *("user_id", "task_type", text("status DESC"), "priority", "run_at", "id"),
        postgresql_where=text(
            "finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL"
        ),
    ),
    Index(
        "jobs_by_wake_at",
        "wake_at",
        postgresql_where=text("finished_at IS NULL AND waiting_for IS NOT NULL"),
    ),
    # No column that a heartbeat writes, so that heartbeats touch no index.
    Index(
        "jobs_dispatched",
        "id",
        postgresql_where=text(
            "finished_at IS NULL AND (status = 'RUNNING' OR dispatched_at IS NOT NULL)"
        ),
    ),
    Index(
        "jobs_by_deadline",
        "deadline_at",
        postgresql_where=text("finished_at IS NULL AND deadline_at IS NOT NULL"),
    ),
    Index(
        "jobs_failed",
        *(text("finished_at DESC"), text("id DESC")),
        postgresql_where=text("status = 'FAILED'"),
    ),
    # What retention looks for.
    Index(
        "jobs_with_content",
        *("finished_at", "id"),
        postgresql_where=text("finished_at IS NOT NULL AND content_removed_at IS NULL"),
    ),
    Index(
        "jobs_with_artifacts",
        *("content_removed_at", "id"),
        postgresql_where=text("content_removed_at IS NOT NULL AND artifacts_removed_at IS NULL"),
    ),
    Index(
        "jobs_with_idempotency_key",
        *("created_at", "id"),
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index(
        "jobs_one_per_idempotency_key",
        *("user_id", "idempotency_key", "idempotency_item"),
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index(
        "jobs_one_per_firing",
        *("schedule_id", "run_at"),
        unique=True,
        postgresql_where=text("schedule_id IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": "80"},
    info={
        "root": True,
        "states": {
            "PENDING": ("RUNNING", "CANCELLED"),
            "RUNNING": ("COMPLETED", "FAILED", "CANCELLED", "PENDING"),
            "FAILED": ("PENDING",),
            "COMPLETED": (),
            "CANCELLED": (),
        },
    },
)

job_attempts = Table(
    "job_attempts",
    metadata,
    Column(
        "job_id", Uuid, ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True, info=INTERNAL
    ),
    Column("fence", Uuid, primary_key=True, info=SECRET),
    required("attempt", SmallInteger, info=INTERNAL),
    Column("worker", Text, info=INTERNAL),
    required("dispatched_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("started_at", INSTANT, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    Column("outcome", Text, info=INTERNAL),
    Column("reason", Text, info=INTERNAL),
    Column("error", Text, info=CONTENT),
    Column("timings_ms", JSONB, info=INTERNAL),
    Column("waited_ms", BigInteger, info=INTERNAL),
    Column("waited_for", Text, info=INTERNAL),
    Column("network", JSONB, info=CONTENT),
    CheckConstraint(
        "waited_for IN ('plan_concurrency', 'topic_window', 'scheduled', 'paused')",
        name="job_attempts_wait_known",
    ),
    Index("job_attempts_by_dispatch", "dispatched_at"),
    CheckConstraint(
        "outcome IN ('succeeded', 'failed', 'lost', 'waiting', 'cancelled')",
        name="job_attempts_outcome_known",
    ),
)

queue_stats = Table(
    "queue_stats",
    metadata,
    Column("task_type", Text, primary_key=True, info=PUBLIC),
    required("waiting", Integer, info=PUBLIC),
    required("running", Integer, info=PUBLIC),
    Column("median_wait_ms", Integer, info=PUBLIC),
    Column("median_run_ms", Integer, info=PUBLIC),
    required("measured_at", INSTANT, server_default=NOW, info=PUBLIC),
    required("is_full", Boolean, server_default=text("false"), info=PUBLIC),
)

pauses = Table(
    "pauses",
    metadata,
    Column("task_type", Text, primary_key=True, info=PUBLIC),
    Column("reason", Text, primary_key=True, info=PUBLIC),
    Column("note", Text, info=INTERNAL),
    required("since", INSTANT, server_default=NOW, info=PUBLIC),
    Column("until", INSTANT, info=PUBLIC),
    CheckConstraint("reason IN ('flag', 'circuit')", name="pauses_reason_known"),
)

bulk_changes = Table(
    "bulk_changes",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), info=PERSONAL),
    required("action", Text, info=INTERNAL),
    required("job_ids", ARRAY(Uuid), info=INTERNAL),
    required("changed_job_ids", ARRAY(Uuid), server_default=text("'{}'"), info=INTERNAL),
    required("total", Integer, info=INTERNAL),
    required("done", Integer, server_default=text("0"), info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("touched_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    CheckConstraint("action IN ('cancel', 'retry')", name="bulk_changes_action_known"),
    CheckConstraint("done BETWEEN 0 AND total", name="bulk_changes_done_count"),
    Index("bulk_changes_by_user", "user_id"),
    Index("bulk_changes_unfinished", "touched_at", postgresql_where=text("finished_at IS NULL")),
    Index(
        "bulk_changes_finished",
        *("finished_at", "id"),
        postgresql_where=text("finished_at IS NOT NULL"),
    ),
)

broker_epoch = Table(
    "broker_epoch",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true"), info=INTERNAL),
    required("epoch", Text, info=INTERNAL),
    required("republished_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("cursor_subject_id", Uuid, info=INTERNAL),
    Column("cursor_seq", BigInteger, info=INTERNAL),
    CheckConstraint(
        "num_nulls(cursor_subject_id, cursor_seq) IN (0, 2)", name="broker_epoch_cursor_complete"
    ),
    CheckConstraint("only_row", name="broker_epoch_is_one_row"),
)
