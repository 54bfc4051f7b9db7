"""The tables of schema `agents`: checkpoints, documents and memories; and all others."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.agents.adapters.postgres.metadata import metadata, owner_column, run_column
from msaas.agents.adapters.postgres.run_tables import (
    approvals,
    frame_outbox,
    llm_calls,
    runs,
    spend_days,
    steps,
    tool_calls,
)
from msaas.postgres.columns import CONTENT, INSTANT, INTERNAL, NOW, required

__all__ = [
    "approvals",
    "broker_epoch",
    "checkpoint_blobs",
    "checkpoint_writes",
    "checkpoints",
    "documents",
    "frame_outbox",
    "llm_calls",
    "memories",
    "metadata",
    "runs",
    "sightings",
    "spend_days",
    "steps",
    "tool_calls",
]

# A checkpoint names the versions of its channels; each version's value is stored once.
checkpoints = Table(
    "checkpoints",
    metadata,
    run_column(primary_key=True),
    Column("thread_id", Text, primary_key=True, info=INTERNAL),
    Column("checkpoint_ns", Text, primary_key=True, info=INTERNAL),
    Column("checkpoint_id", Text, primary_key=True, info=INTERNAL),
    owner_column(),
    Column("parent_id", Text, info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    required("body", LargeBinary, info=CONTENT),
    required("channel_versions", JSONB, info=INTERNAL),
    required("metadata", JSONB, info=CONTENT),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    Index("checkpoints_by_user", "user_id"),
)

checkpoint_blobs = Table(
    "checkpoint_blobs",
    metadata,
    run_column(primary_key=True),
    Column("thread_id", Text, primary_key=True, info=INTERNAL),
    Column("checkpoint_ns", Text, primary_key=True, info=INTERNAL),
    Column("channel", Text, primary_key=True, info=INTERNAL),
    Column("channel_version", Text, primary_key=True, info=INTERNAL),
    owner_column(),
    required("kind", Text, info=INTERNAL),
    required("body", LargeBinary, info=CONTENT),
    Index("checkpoint_blobs_by_user", "user_id"),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    run_column(primary_key=True),
    Column("thread_id", Text, primary_key=True, info=INTERNAL),
    Column("checkpoint_ns", Text, primary_key=True, info=INTERNAL),
    Column("checkpoint_id", Text, primary_key=True, info=INTERNAL),
    Column("task_id", Text, primary_key=True, info=INTERNAL),
    Column("write_index", Integer, primary_key=True, autoincrement=False, info=INTERNAL),
    owner_column(),
    required("task_path", Text, server_default="", info=INTERNAL),
    required("channel", Text, info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    required("body", LargeBinary, info=CONTENT),
    Index("checkpoint_writes_by_user", "user_id"),
)

documents = Table(
    "documents",
    metadata,
    owner_column(primary_key=True),
    Column("sha256", Text, primary_key=True, info=CONTENT),
    required("url", Text, info=CONTENT),
    Column("title", Text, info=CONTENT),
    required("text", Text, info=CONTENT),
    required("links", JSONB, server_default=text("'[]'"), info=CONTENT),
    Column("job_id", Uuid, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("last_used_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="documents_sha256_is_hex"),
    Index("documents_by_use", "last_used_at", "user_id", "sha256"),
    info={"root": True},
)

# Which document a run has seen under a name: a later run compares with it.
sightings = Table(
    "sightings",
    metadata,
    run_column(primary_key=True),
    Column("name", Text, primary_key=True, info=CONTENT),
    owner_column(),
    required("sha256", Text, info=CONTENT),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    ForeignKeyConstraint(
        ["user_id", "sha256"],
        ["documents.user_id", "documents.sha256"],
        name="sightings_document_fkey",
        ondelete="CASCADE",
    ),
    Index("sightings_by_name", "user_id", "name", "created_at"),
    Index("sightings_by_document", "user_id", "sha256"),
)

memories = Table(
    "memories",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    owner_column(),
    required("url", Text, info=CONTENT),
    required("sha256", Text, info=CONTENT),
    required("start_char", Integer, info=INTERNAL),
    required("end_char", Integer, info=INTERNAL),
    required("text", Text, info=CONTENT),
    required("text_hash", LargeBinary, info=CONTENT),
    Column("job_id", Uuid, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("last_used_at", INSTANT, server_default=NOW, info=INTERNAL),
    UniqueConstraint("user_id", "text_hash"),
    CheckConstraint("0 <= start_char AND start_char <= end_char", name="memories_span_in_order"),
    Index("memories_by_use", "last_used_at", "id"),
    info={"root": True},
)

broker_epoch = Table(
    "broker_epoch",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true"), info=INTERNAL),
    required("epoch", Text, info=INTERNAL),
    required("handled_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("only_row", name="broker_epoch_is_one_row"),
)
