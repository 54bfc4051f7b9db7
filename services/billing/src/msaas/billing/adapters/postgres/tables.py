"""The tables of schema `billing`: the inbox, requests, outbox and dead letters; and all others."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.billing.adapters.postgres.account_tables import (
    accounts,
    catalogue,
    prices,
    spend_alerts,
    spend_limits,
    subscriptions,
    users,
)
from msaas.billing.adapters.postgres.invoice_tables import (
    invoice_lines,
    invoice_proofs,
    invoices,
    reconciliation_findings,
    reconciliation_runs,
)
from msaas.billing.adapters.postgres.metadata import metadata
from msaas.billing.adapters.postgres.usage_tables import (
    corrections,
    meter_reports,
    usage_chains,
    usage_events,
)
from msaas.postgres.columns import (
    CONTENT,
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    SECRET,
    audit_columns,
    required,
)

__all__ = [
    "accounts",
    "broker_epoch",
    "catalogue",
    "corrections",
    "fetch_versions",
    "invoice_lines",
    "invoice_proofs",
    "invoices",
    "message_dead_letters",
    "metadata",
    "meter_reports",
    "outbox",
    "prices",
    "reconciliation_findings",
    "reconciliation_runs",
    "requests",
    "spend_alerts",
    "spend_limits",
    "stripe_events",
    "subscriptions",
    "usage_chains",
    "usage_events",
    "watermarks",
]

# A number is drawn before a fetch begins: of two fetches the higher number began later.
fetch_versions = Sequence("fetch_versions", metadata=metadata)

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("event_id", Text, primary_key=True, info=INTERNAL),
    required("type", Text, info=INTERNAL),
    required("created", INSTANT, info=INTERNAL),
    required("livemode", Boolean, info=INTERNAL),
    Column("api_version", Text, info=INTERNAL),
    required("is_thin", Boolean, server_default=text("false"), info=INTERNAL),
    Column("object_id", Text, info=PERSONAL),
    Column("stripe_customer_id", Text, info=PERSONAL),
    Column("payload", JSONB, info=CONTENT),
    required("source", Text, info=INTERNAL),
    required("state", Text, server_default="RECEIVED", info=INTERNAL),
    Column("outcome", Text, info=INTERNAL),
    required("attempts", Integer, server_default=text("0"), info=INTERNAL),
    required("received_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("next_attempt_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    Column("error", Text, info=INTERNAL),
    required("correlation_id", Text, info=INTERNAL),
    Column("traceparent", Text, info=INTERNAL),
    CheckConstraint("source IN ('webhook', 'backfill')", name="stripe_events_source_known"),
    CheckConstraint(
        "state IN ('RECEIVED', 'APPLIED', 'IGNORED', 'DEAD')", name="stripe_events_state_known"
    ),
    CheckConstraint(
        "(state = 'RECEIVED') = (finished_at IS NULL)", name="stripe_events_end_has_its_time"
    ),
    CheckConstraint(
        "(state = 'RECEIVED') = (next_attempt_at IS NOT NULL)",
        name="stripe_events_unfinished_are_due",
    ),
    Index("stripe_events_due", "next_attempt_at", postgresql_where=text("state = 'RECEIVED'")),
    Index("stripe_events_dead", "finished_at", postgresql_where=text("state = 'DEAD'")),
    Index("stripe_events_by_created", "created"),
    Index("stripe_events_by_customer", "stripe_customer_id"),
    Index("stripe_events_by_receipt", "received_at"),
    info={
        "root": True,
        "states": {
            "RECEIVED": ("APPLIED", "IGNORED", "DEAD"),
            "APPLIED": (),
            "IGNORED": (),
            "DEAD": ("RECEIVED",),
        },
    },
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("name", Text, primary_key=True, info=INTERNAL),
    required("reached", INSTANT, info=INTERNAL),
    required("updated_at", INSTANT, server_default=NOW, info=INTERNAL),
)

# One row for each request of a user that calls Stripe: the key that Stripe gets, and the answer.
requests = Table(
    "requests",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    required("kind", Text, info=INTERNAL),
    required("idempotency_key", Text, info=PERSONAL),
    required("fingerprint", LargeBinary, info=SECRET),
    required("state", Text, server_default="OPEN", info=INTERNAL),
    required("attempt", Integer, server_default=text("0"), info=INTERNAL),
    Column("answer", JSONB, info=SECRET),
    Column("stripe_object_id", Text, info=PERSONAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("expires_at", INSTANT, info=INTERNAL),
    UniqueConstraint("account_id", "idempotency_key"),
    CheckConstraint(
        "kind IN ('checkout', 'portal', 'change_plan', 'cancel', 'resume', 'spend_limit')",
        name="requests_kind_known",
    ),
    CheckConstraint("state IN ('OPEN', 'DONE')", name="requests_state_known"),
    CheckConstraint("(state = 'DONE') = (answer IS NOT NULL)", name="requests_done_has_an_answer"),
    Index("requests_by_user", "user_id"),
    Index("requests_by_expiry", "expires_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("topic", Text, info=INTERNAL),
    required("message_type", Text, info=INTERNAL),
    required("body", JSONB, info=CONTENT),
    required("correlation_id", Text, info=INTERNAL),
    Column("traceparent", Text, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("sent_at", INSTANT, info=INTERNAL),
    Index("outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
    Index("outbox_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
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
    CheckConstraint(
        "class IN ('transient', 'poison', 'downstream')", name="message_dead_letters_class_known"
    ),
    UniqueConstraint("topic", "entry_id"),
    Index(
        "message_dead_letters_resolved",
        *("resolved_at", "id"),
        postgresql_where=text("resolved_at IS NOT NULL"),
    ),
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
