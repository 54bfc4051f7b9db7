"""Quota and metering: subjects, counters, the chain of usage events and its checkpoints."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from msaas.jobs.adapters.postgres.metadata import metadata
from msaas.postgres.columns import (
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    PLAN_KNOWN,
    audit_columns,
    required,
)

GENESIS = text(r"'\x" + "00" * 32 + "'::bytea")

# The gateway's table, declared here only for foreign keys.
users = Table("users", MetaData(schema="identity"), Column("id", Uuid, primary_key=True))

subjects = Table(
    "subjects",
    metadata,
    Column("subject_id", Uuid, primary_key=True, info=INTERNAL),
    Column(
        "user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), unique=True, info=PERSONAL
    ),
    required("plan", Text, server_default="FREE", info=INTERNAL),
    required("plan_version", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("next_plan", Text, info=INTERNAL),
    required("overrides", JSONB, server_default="{}", info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("period_end", INSTANT, info=INTERNAL),
    required("last_seq", BigInteger, server_default=text("0"), info=INTERNAL),
    required("head", LargeBinary, server_default=GENESIS, info=INTERNAL),
    Column("erasing_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    required("terms", JSONB, server_default="{}", info=INTERNAL),
    Column("paid_until", INSTANT, info=INTERNAL),
    CheckConstraint(PLAN_KNOWN, name="subjects_plan_known"),
    CheckConstraint(f"next_{PLAN_KNOWN}", name="subjects_next_plan_known"),
    CheckConstraint("period_start < period_end", name="subjects_period_has_length"),
    CheckConstraint("last_seq >= 0", name="subjects_seq_counts"),
    CheckConstraint("octet_length(head) = 32", name="subjects_head_is_sha256"),
    info={"root": True},
)

usage_counters = Table(
    "usage_counters",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    required("subject_id", Uuid, ForeignKey(subjects.c.subject_id), info=INTERNAL),
    required("plan", Text, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("period_end", INSTANT, info=INTERNAL),
    required("jobs_used", BigInteger, server_default=text("0"), info=INTERNAL),
    required("jobs_reserved", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("jobs_limit", BigInteger, info=INTERNAL),
    Column("last_reconciled_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    CheckConstraint(PLAN_KNOWN, name="usage_counters_plan_known"),
    CheckConstraint("period_start < period_end", name="usage_counters_period_has_length"),
    CheckConstraint(
        "jobs_used >= 0 AND jobs_reserved >= 0 AND jobs_limit >= 0", name="usage_counters_count"
    ),
    UniqueConstraint("subject_id", "period_start"),
    ExcludeConstraint(
        ("subject_id", "="),
        (text("tstzrange(period_start, period_end)"), "&&"),
        name="usage_counters_no_overlap",
    ),
    Index("usage_counters_by_user", "user_id"),
    info={"root": True},
)

usage_events = Table(
    "usage_events",
    metadata,
    Column("subject_id", Uuid, ForeignKey(subjects.c.subject_id), primary_key=True, info=INTERNAL),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    required("kind", Text, info=INTERNAL),
    required("quantity", BigInteger, info=INTERNAL),
    Column("job_id", Uuid, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    Column("stripe_event_id", Text, info=INTERNAL),
    required("occurred_at", INSTANT, info=INTERNAL),
    required("prev_hash", LargeBinary, info=INTERNAL),
    required("hash", LargeBinary, info=INTERNAL),
    required("details", JSONB, server_default="{}", info=INTERNAL),
    CheckConstraint(
        "kind IN ('job_completed', 'stripe_usage_reported', 'reconciliation_adjustment',"
        " 'plan_changed')",
        name="usage_events_kind_known",
    ),
    CheckConstraint(
        "kind <> 'job_completed' OR (job_id IS NOT NULL AND quantity > 0)",
        name="usage_events_completion_names_its_job",
    ),
    Index(
        "usage_events_one_per_job",
        "job_id",
        unique=True,
        postgresql_where=text("kind = 'job_completed'"),
    ),
    Index(
        "usage_events_one_per_stripe_event",
        "stripe_event_id",
        unique=True,
        postgresql_where=text("stripe_event_id IS NOT NULL"),
    ),
    Index("usage_events_by_user_and_time", "user_id", "occurred_at"),
)

usage_checkpoints = Table(
    "usage_checkpoints",
    metadata,
    Column("subject_id", Uuid, ForeignKey(subjects.c.subject_id), primary_key=True, info=INTERNAL),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False, info=INTERNAL),
    required("last_seq", BigInteger, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("completions", BigInteger, server_default=text("0"), info=INTERNAL),
    required("corrections", BigInteger, server_default=text("0"), info=INTERNAL),
    required("head", LargeBinary, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(
        "1 <= first_seq AND first_seq <= last_seq", name="usage_checkpoints_seq_counts"
    ),
    CheckConstraint("octet_length(head) = 32", name="usage_checkpoints_head_is_sha256"),
)
