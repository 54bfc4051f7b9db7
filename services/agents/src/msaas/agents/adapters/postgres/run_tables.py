"""Runs and what they may spend, their calls of models and tools, and their steps."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.agents.adapters.postgres.metadata import count_column, metadata, owner_column, run_column
from msaas.postgres.columns import (
    CONTENT,
    INSTANT,
    INTERNAL,
    NOW,
    PLAN_KNOWN,
    SECRET,
    audit_columns,
    required,
)

# The names of the constraints runs_within_* and spend_days_within_cost are those of the ceilings:
# whatever writes, what is spent and reserved stays below.
runs = Table(
    "runs",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    owner_column(),
    required("workflow_type", Text, info=INTERNAL),
    required("plan", Text, info=INTERNAL),
    required("state", Text, server_default="running", info=INTERNAL),
    required("title", Text, info=CONTENT),
    Column("params", JSONB, info=CONTENT),
    required("fence", Uuid, info=SECRET),
    required("graph_fingerprint", Text, info=INTERNAL),
    required("max_steps", Integer, info=INTERNAL),
    required("max_tokens", BigInteger, info=INTERNAL),
    required("max_cost_micro_usd", BigInteger, info=INTERNAL),
    required("max_seconds", Integer, info=INTERNAL),
    count_column("steps", Integer),
    count_column("tokens_in", BigInteger),
    count_column("tokens_out", BigInteger),
    count_column("tokens_lost", BigInteger),
    count_column("tokens_reserved", BigInteger),
    count_column("cost_micro_usd", BigInteger),
    count_column("cost_reserved_micro_usd", BigInteger),
    count_column("model_calls", Integer),
    count_column("repeated_calls", Integer),
    count_column("child_jobs", Integer),
    Column("partial_reason", Text, info=INTERNAL),
    Column("failure_reason", Text, info=INTERNAL),
    Column("answer", JSONB, info=CONTENT),
    required("started_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("deadline_at", INSTANT, info=INTERNAL),
    Column("paused_at", INSTANT, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    Column("content_removed_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    CheckConstraint(PLAN_KNOWN, name="runs_plan_known"),
    CheckConstraint(
        "state IN ('running', 'waiting', 'succeeded', 'failed', 'cancelled')",
        name="runs_state_known",
    ),
    CheckConstraint(
        "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
        name="runs_end_has_its_time",
    ),
    CheckConstraint("failure_reason IS NULL OR state <> 'succeeded'", name="runs_success_is_whole"),
    CheckConstraint("steps <= max_steps", name="runs_within_steps"),
    CheckConstraint(
        "tokens_in + tokens_out + tokens_lost + tokens_reserved <= max_tokens",
        name="runs_within_tokens",
    ),
    CheckConstraint(
        "cost_micro_usd + cost_reserved_micro_usd <= max_cost_micro_usd", name="runs_within_cost"
    ),
    CheckConstraint(
        "least(tokens_in, tokens_out, tokens_lost, tokens_reserved, cost_micro_usd,"
        " cost_reserved_micro_usd) >= 0",
        name="runs_spend_counts",
    ),
    Index("runs_by_user", "user_id", text("created_at DESC"), "id"),
    Index("runs_open", "id", postgresql_where=text("finished_at IS NULL")),
    Index(
        "runs_with_content",
        *("finished_at", "id"),
        postgresql_where=text("content_removed_at IS NULL"),
    ),
    info={
        "root": True,
        "states": {
            "running": ("waiting", "succeeded", "failed", "cancelled"),
            "waiting": ("running", "failed", "cancelled"),
            "succeeded": (),
            "failed": (),
            "cancelled": (),
        },
    },
)

# What all runs of a user spend in a day; the limit is that of the plan of the last reservation.
spend_days = Table(
    "spend_days",
    metadata,
    owner_column(primary_key=True),
    Column("day", Date, primary_key=True, info=INTERNAL),
    required("max_cost_micro_usd", BigInteger, info=INTERNAL),
    count_column("cost_micro_usd", BigInteger),
    count_column("cost_reserved_micro_usd", BigInteger),
    CheckConstraint(
        "cost_micro_usd + cost_reserved_micro_usd <= max_cost_micro_usd",
        name="spend_days_within_cost",
    ),
    CheckConstraint(
        "least(cost_micro_usd, cost_reserved_micro_usd) >= 0", name="spend_days_spend_counts"
    ),
    Index("spend_days_by_day", "day", "user_id"),
)

# Each attempt of a call that was or may have been paid; at most one of a key is not over.
llm_calls = Table(
    "llm_calls",
    metadata,
    run_column(primary_key=True),
    Column("call_key", Text, primary_key=True, info=INTERNAL),
    Column("attempt", Integer, primary_key=True, autoincrement=False, info=INTERNAL),
    owner_column(),
    required("purpose", Text, info=INTERNAL),
    required("state", Text, server_default="reserved", info=INTERNAL),
    required("day", Date, info=INTERNAL),
    required("tokens_reserved", BigInteger, info=INTERNAL),
    required("cost_reserved_micro_usd", BigInteger, info=INTERNAL),
    Column("tokens_in", BigInteger, info=INTERNAL),
    Column("tokens_out", BigInteger, info=INTERNAL),
    Column("cost_micro_usd", BigInteger, info=INTERNAL),
    Column("provider", Text, info=INTERNAL),
    Column("model", Text, info=INTERNAL),
    Column("answer", JSONB, info=CONTENT),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("ended_at", INSTANT, info=INTERNAL),
    CheckConstraint(
        "state IN ('reserved', 'answered', 'failed', 'lost')", name="llm_calls_state_known"
    ),
    CheckConstraint("(state = 'reserved') = (ended_at IS NULL)", name="llm_calls_end_has_its_time"),
    CheckConstraint(
        "coalesce(tokens_in + tokens_out, 0) <= tokens_reserved"
        " AND coalesce(cost_micro_usd, 0) <= cost_reserved_micro_usd",
        name="llm_calls_within_reservation",
    ),
    Index(
        "llm_calls_one_of_a_key",
        *("run_id", "call_key"),
        unique=True,
        postgresql_where=text("state IN ('reserved', 'answered')"),
    ),
    Index("llm_calls_by_user", "user_id"),
    info={
        "states": {
            "reserved": ("answered", "failed", "lost"),
            "answered": (),
            "failed": (),
            "lost": (),
        }
    },
)

tool_calls = Table(
    "tool_calls",
    metadata,
    run_column(primary_key=True),
    Column("call_key", Text, primary_key=True, info=INTERNAL),
    owner_column(),
    required("child_job_id", Uuid, unique=True, info=INTERNAL),
    required("task_type", Text, info=INTERNAL),
    Column("arguments", JSONB, info=CONTENT),
    required("state", Text, server_default="open", info=INTERNAL),
    Column("outcome", JSONB, info=CONTENT),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("ended_at", INSTANT, info=INTERNAL),
    CheckConstraint("state IN ('open', 'ended')", name="tool_calls_state_known"),
    CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="tool_calls_end_has_its_time"),
    Index("tool_calls_by_user", "user_id"),
    info={"states": {"open": ("ended",), "ended": ()}},
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    run_column(),
    owner_column(),
    required("call_key", Text, info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    required("title", Text, info=CONTENT),
    required("text", Text, info=CONTENT),
    required("form", JSONB, info=CONTENT),
    required("state", Text, server_default="open", info=INTERNAL),
    Column("answer", JSONB, info=CONTENT),
    required("expires_at", INSTANT, info=INTERNAL),
    Column("decided_at", INSTANT, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    UniqueConstraint("run_id", "call_key"),
    CheckConstraint("kind IN ('approval', 'answer')", name="approvals_kind_known"),
    CheckConstraint(
        "state IN ('open', 'approved', 'denied', 'answered', 'expired')",
        name="approvals_state_known",
    ),
    CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="approvals_end_has_its_time"),
    CheckConstraint(
        "state IN ('open', 'expired') OR (kind = 'answer') = (state = 'answered')",
        name="approvals_end_fits_the_kind",
    ),
    Index("approvals_by_user", "user_id"),
    Index("approvals_open", "expires_at", postgresql_where=text("state = 'open'")),
    info={
        "states": {
            "open": ("approved", "denied", "answered", "expired"),
            "approved": (),
            "denied": (),
            "answered": (),
            "expired": (),
        }
    },
)

steps = Table(
    "steps",
    metadata,
    run_column(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False, info=INTERNAL),
    owner_column(),
    required("key", Text, info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    required("state", Text, info=INTERNAL),
    required("title", Text, info=CONTENT),
    Column("detail", Text, info=CONTENT),
    Column("child_job_id", Uuid, info=INTERNAL),
    Column("approval_id", Uuid, info=INTERNAL),
    count_column("model_calls", Integer),
    count_column("tokens", BigInteger),
    count_column("cost_micro_usd", BigInteger),
    required("started_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    UniqueConstraint("run_id", "key"),
    CheckConstraint(
        "state IN ('started', 'waiting', 'done', 'failed', 'blocked', 'skipped')",
        name="steps_state_known",
    ),
    Index("steps_by_user", "user_id"),
)

# A later frame of the same thing replaces one that waits, so a run has few of them.
frame_outbox = Table(
    "frame_outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, info=INTERNAL),
    run_column(),
    owner_column(),
    required("subject", Text, info=INTERNAL),
    required("message_type", Text, info=INTERNAL),
    required("body", JSONB, info=CONTENT),
    required("claimed_until", INSTANT, server_default=text("'-infinity'"), info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    UniqueConstraint("run_id", "subject"),
    Index("frame_outbox_by_user", "user_id"),
)
