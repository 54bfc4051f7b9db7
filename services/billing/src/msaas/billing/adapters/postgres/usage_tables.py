"""Usage by subject and seq with its hash chain, its reports to Stripe, and their corrections."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from msaas.billing.adapters.postgres.account_tables import users
from msaas.billing.adapters.postgres.metadata import metadata
from msaas.postgres.columns import (
    CONTENT,
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    PLAN_KNOWN,
    audit_columns,
    required,
)

GENESIS = text(r"'\x" + "00" * 32 + "'::bytea")

usage_chains = Table(
    "usage_chains",
    metadata,
    Column("subject_id", Uuid, primary_key=True, info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    Column("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    required("last_seq", BigInteger, server_default=text("0"), info=INTERNAL),
    required("head", LargeBinary, server_default=GENESIS, info=INTERNAL),
    required("highest_seq", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("gap_since", INSTANT, info=INTERNAL),
    Column("resend_requested_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    CheckConstraint("0 <= last_seq AND last_seq <= highest_seq", name="usage_chains_seq_counts"),
    CheckConstraint("octet_length(head) = 32", name="usage_chains_head_is_sha256"),
    Index("usage_chains_by_user", "user_id"),
    Index("usage_chains_by_account", "account_id"),
    Index("usage_chains_with_gap", "gap_since", postgresql_where=text("gap_since IS NOT NULL")),
    info={"root": True},
)

meter_reports = Table(
    "meter_reports",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("identifier", Text, unique=True, info=INTERNAL),
    required("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    required("subject_id", Uuid, ForeignKey("usage_chains.subject_id"), info=INTERNAL),
    required("stripe_customer_id", Text, info=PERSONAL),
    required("quantity", BigInteger, info=INTERNAL),
    required("meter_timestamp", INSTANT, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("first_seq", BigInteger, info=INTERNAL),
    required("last_seq", BigInteger, info=INTERNAL),
    required("head", LargeBinary, info=INTERNAL),
    required("state", Text, server_default="PENDING", info=INTERNAL),
    required("attempts", Integer, server_default=text("0"), info=INTERNAL),
    required("next_attempt_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("first_sent_at", INSTANT, info=INTERNAL),
    Column("last_sent_at", INSTANT, info=INTERNAL),
    Column("reported_at", INSTANT, info=INTERNAL),
    Column("published_at", INSTANT, info=INTERNAL),
    Column("error", Text, info=INTERNAL),
    *audit_columns(),
    CheckConstraint(
        "state IN ('PENDING', 'SENDING', 'AMBIGUOUS', 'REPORTED', 'REJECTED', 'CANCELLED')",
        name="meter_reports_state_known",
    ),
    CheckConstraint("quantity > 0", name="meter_reports_quantity_counts"),
    CheckConstraint("first_seq <= last_seq", name="meter_reports_seq_in_order"),
    CheckConstraint("octet_length(head) = 32", name="meter_reports_head_is_sha256"),
    CheckConstraint(
        "(state = 'PENDING') = (first_sent_at IS NULL)", name="meter_reports_sent_after_commit"
    ),
    CheckConstraint(
        "(state IN ('REPORTED', 'CANCELLED')) = (reported_at IS NOT NULL)",
        name="meter_reports_reported_has_its_time",
    ),
    Index(
        "meter_reports_due",
        "next_attempt_at",
        postgresql_where=text("state IN ('PENDING', 'SENDING', 'AMBIGUOUS')"),
    ),
    Index("meter_reports_by_account_and_time", "account_id", "meter_timestamp"),
    Index("meter_reports_by_subject", "subject_id"),
    Index("meter_reports_by_subject_and_time", "subject_id", "meter_timestamp"),
    Index(
        "meter_reports_unpublished",
        "id",
        postgresql_where=text("state = 'REPORTED' AND published_at IS NULL"),
    ),
    info={
        "root": True,
        "states": {
            "PENDING": ("SENDING",),
            "SENDING": ("REPORTED", "AMBIGUOUS", "REJECTED"),
            "AMBIGUOUS": ("SENDING", "REPORTED", "REJECTED"),
            "REPORTED": ("CANCELLED", "AMBIGUOUS", "REJECTED"),
            "REJECTED": ("SENDING",),
            "CANCELLED": (),
        },
    },
)

usage_events = Table(
    "usage_events",
    metadata,
    Column(
        "subject_id", Uuid, ForeignKey("usage_chains.subject_id"), primary_key=True, info=INTERNAL
    ),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    Column("job_id", Uuid, info=INTERNAL),
    required("quantity", BigInteger, info=INTERNAL),
    Column("plan", Text, info=INTERNAL),
    required("occurred_at", INSTANT, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("prev_hash", LargeBinary, info=INTERNAL),
    required("hash", LargeBinary, info=INTERNAL),
    required("billing", Text, info=INTERNAL),
    Column("report_id", Uuid, ForeignKey("meter_reports.id"), info=INTERNAL),
    Column("price_id", Text, info=INTERNAL),
    required("received_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(PLAN_KNOWN, name="usage_events_plan_known"),
    CheckConstraint(
        "billing IN ('unreported', 'assigned', 'free', 'none')", name="usage_events_billing_known"
    ),
    CheckConstraint(
        "(billing = 'assigned') = (report_id IS NOT NULL)", name="usage_events_assigned_to_a_report"
    ),
    CheckConstraint(
        "kind <> 'job_completed' OR (job_id IS NOT NULL AND plan IS NOT NULL AND quantity > 0)",
        name="usage_events_completion_names_its_job",
    ),
    CheckConstraint("octet_length(hash) = 32", name="usage_events_hash_is_sha256"),
    CheckConstraint("octet_length(prev_hash) = 32", name="usage_events_prev_hash_is_sha256"),
    Index(
        "usage_events_one_per_job",
        "job_id",
        unique=True,
        postgresql_where=text("kind = 'job_completed'"),
    ),
    Index(
        "usage_events_unreported",
        *("subject_id", "seq"),
        postgresql_where=text("billing = 'unreported'"),
    ),
    Index("usage_events_by_report", "report_id"),
    Index("usage_events_by_subject_and_time", "subject_id", "occurred_at"),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    required("subject_id", Uuid, ForeignKey("usage_chains.subject_id"), info=INTERNAL),
    required("job_id", Uuid, info=INTERNAL),
    required("revision", Integer, info=INTERNAL),
    required("quantity", BigInteger, info=INTERNAL),
    required("reason", Text, info=CONTENT),
    required("period_start", INSTANT, info=INTERNAL),
    required("means", Text, info=INTERNAL),
    required("state", Text, server_default="PENDING", info=INTERNAL),
    Column("reverses_report_id", Uuid, ForeignKey("meter_reports.id"), info=INTERNAL),
    Column("report_id", Uuid, ForeignKey("meter_reports.id"), info=INTERNAL),
    Column("stripe_invoice_id", Text, info=INTERNAL),
    Column("stripe_credit_note_id", Text, info=INTERNAL),
    Column("amount", BigInteger, info=INTERNAL),
    required("attempts", Integer, server_default=text("0"), info=INTERNAL),
    Column("applied_at", INSTANT, info=INTERNAL),
    Column("error", Text, info=INTERNAL),
    *audit_columns(),
    UniqueConstraint("job_id", "revision"),
    CheckConstraint(
        "means IN ('unreported', 'meter_adjustment', 'credit_note', 'none')",
        name="corrections_means_known",
    ),
    CheckConstraint(
        "state IN ('PENDING', 'SENDING', 'APPLIED', 'REJECTED')", name="corrections_state_known"
    ),
    CheckConstraint("quantity <> 0", name="corrections_change_something"),
    CheckConstraint("revision > 0", name="corrections_revision_counts"),
    Index("corrections_by_account", "account_id"),
    Index("corrections_by_subject", "subject_id"),
    Index("corrections_open", "id", postgresql_where=text("state IN ('PENDING', 'SENDING')")),
    info={
        "root": True,
        "states": {
            "PENDING": ("SENDING", "APPLIED"),
            "SENDING": ("APPLIED", "REJECTED"),
            "APPLIED": (),
            "REJECTED": (),
        },
    },
)

# What jobs says its counters hold, as of an entry of the chain.
usage_counts = Table(
    "usage_counts",
    metadata,
    Column("subject_id", Uuid, primary_key=True, info=INTERNAL),
    Column("period_start", INSTANT, primary_key=True, info=INTERNAL),
    required("used", BigInteger, info=INTERNAL),
    required("last_seq", BigInteger, info=INTERNAL),
    required("head", LargeBinary, info=INTERNAL),
    required("counted_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("used >= 0", name="usage_counts_used_counts"),
    CheckConstraint("octet_length(head) = 32", name="usage_counts_head_is_sha256"),
)
