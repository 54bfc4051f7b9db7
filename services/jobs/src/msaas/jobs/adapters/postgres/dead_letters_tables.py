"""The tables of dead letters: messages, replays, and resolutions of failed jobs."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.jobs.adapters.postgres.metadata import metadata
from msaas.postgres.columns import (
    CONTENT,
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    audit_columns,
    required,
)

message_dead_letters = Table(
    "message_dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("topic", Text, info=INTERNAL),
    required("entry_id", Text, info=INTERNAL),
    required("body", JSONB, info=CONTENT),
    required("class", Text, info=INTERNAL),
    required("error", Text, info=CONTENT),
    required("replay_count", SmallInteger, server_default=text("0"), info=INTERNAL),
    Column("resolved_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    Column("message_id", Uuid, info=INTERNAL),
    Column("message_type", Text, info=INTERNAL),
    Column("correlation_id", Text, info=INTERNAL),
    Column("resolved_by", Uuid, info=PERSONAL),
    Column("reason", Text, info=CONTENT),
    CheckConstraint(
        "class IN ('transient', 'poison', 'downstream')", name="message_dead_letters_class_known"
    ),
    CheckConstraint("replay_count >= 0", name="message_dead_letters_replays_count"),
    UniqueConstraint("topic", "entry_id"),
    Index("message_dead_letters_by_time", text("created_at DESC"), text("id DESC")),
    Index("message_dead_letters_by_message", "topic", "message_id"),
    Index(
        "message_dead_letters_open",
        *("topic", "class"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index(
        "message_dead_letters_resolved",
        *("resolved_at", "id"),
        postgresql_where=text("resolved_at IS NOT NULL"),
    ),
    info={"root": True},
)

dead_letter_replays = Table(
    "dead_letter_replays",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("dead_letter_id", Uuid, info=INTERNAL),
    required("topic", Text, info=INTERNAL),
    required("due_at", INSTANT, info=INTERNAL),
    Column("requested_by", Uuid, info=PERSONAL),
    Column("replay_id", Uuid, info=INTERNAL),
    Column("replayed_at", INSTANT, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(
        "(replay_id IS NULL) = (replayed_at IS NULL)",
        name="dead_letter_replays_replayed_by_command",
    ),
    Index(
        "dead_letter_replays_one_pending",
        "dead_letter_id",
        unique=True,
        postgresql_where=text("replayed_at IS NULL"),
    ),
    Index("dead_letter_replays_due", "due_at", postgresql_where=text("replayed_at IS NULL")),
    Index("dead_letter_replays_done", "replayed_at"),
    Index("dead_letter_replays_by_letter", "dead_letter_id"),
)

failed_job_resolutions = Table(
    "failed_job_resolutions",
    metadata,
    Column(
        "job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, info=INTERNAL
    ),
    Column("failed_at", INSTANT, primary_key=True, info=INTERNAL),
    required("resolved_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("resolved_by", Uuid, info=PERSONAL),
    required("reason", Text, info=CONTENT),
)
