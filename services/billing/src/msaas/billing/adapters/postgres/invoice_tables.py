"""Invoices with their lines and proof, and the daily reconciliation with its findings."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from msaas.billing.adapters.postgres.account_tables import users
from msaas.billing.adapters.postgres.metadata import metadata
from msaas.postgres.columns import INSTANT, INTERNAL, NOW, PERSONAL, required

invoices = Table(
    "invoices",
    metadata,
    Column("stripe_invoice_id", Text, primary_key=True, info=PERSONAL),
    required("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    Column("stripe_subscription_id", Text, info=PERSONAL),
    Column("number", Text, info=PERSONAL),
    required("status", Text, info=INTERNAL),
    required("currency", Text, info=INTERNAL),
    required("total", BigInteger, info=PERSONAL),
    required("amount_due", BigInteger, info=PERSONAL),
    required("amount_paid", BigInteger, info=PERSONAL),
    required("amount_remaining", BigInteger, info=PERSONAL),
    Column("billing_reason", Text, info=INTERNAL),
    required("attempt_count", Integer, server_default=text("0"), info=INTERNAL),
    Column("next_payment_attempt", INSTANT, info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("period_end", INSTANT, info=INTERNAL),
    Column("finalized_at", INSTANT, info=INTERNAL),
    Column("paid_at", INSTANT, info=INTERNAL),
    Column("hosted_invoice_url", Text, info=PERSONAL),
    Column("prove_at", INSTANT, info=INTERNAL),
    required("fetched_version", BigInteger, info=INTERNAL),
    required("created_at", INSTANT, info=INTERNAL),
    required("updated_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(
        "status IN ('draft', 'open', 'paid', 'uncollectible', 'void')", name="invoices_status_known"
    ),
    Index("invoices_by_account", "account_id", text("created_at DESC")),
    Index("invoices_by_user", "user_id", text("created_at DESC")),
    Index("invoices_to_prove", "prove_at", postgresql_where=text("prove_at IS NOT NULL")),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column(
        "stripe_invoice_id",
        Text,
        ForeignKey("invoices.stripe_invoice_id"),
        primary_key=True,
        info=PERSONAL,
    ),
    Column("line_id", Text, primary_key=True, info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    Column("description", Text, info=PERSONAL),
    required("amount", BigInteger, info=PERSONAL),
    Column("quantity", Numeric, info=PERSONAL),
    Column("unit_amount", Numeric, info=INTERNAL),
    Column("price_id", Text, info=INTERNAL),
    Column("subscription_item_id", Text, info=INTERNAL),
    required("is_metered", Boolean, server_default=text("false"), info=INTERNAL),
    required("is_proration", Boolean, server_default=text("false"), info=INTERNAL),
    required("period_start", INSTANT, info=INTERNAL),
    required("period_end", INSTANT, info=INTERNAL),
    Index("invoice_lines_by_user", "user_id"),
)

invoice_proofs = Table(
    "invoice_proofs",
    metadata,
    Column(
        "stripe_invoice_id",
        Text,
        ForeignKey("invoices.stripe_invoice_id"),
        primary_key=True,
        info=PERSONAL,
    ),
    Column(
        "subject_id", Uuid, ForeignKey("usage_chains.subject_id"), primary_key=True, info=INTERNAL
    ),
    required("first_seq", BigInteger, info=INTERNAL),
    required("last_seq", BigInteger, info=INTERNAL),
    required("quantity", BigInteger, info=INTERNAL),
    required("head_before", LargeBinary, info=INTERNAL),
    required("head_after", LargeBinary, info=INTERNAL),
    required("key_id", Text, info=INTERNAL),
    required("signature", LargeBinary, info=INTERNAL),
    required("statement", Text, server_default="", info=PERSONAL),
    Column("metadata_written_at", INSTANT, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("octet_length(head_before) = 32", name="invoice_proofs_head_before_is_sha256"),
    CheckConstraint("octet_length(head_after) = 32", name="invoice_proofs_head_after_is_sha256"),
    CheckConstraint("octet_length(signature) = 64", name="invoice_proofs_signature_is_ed25519"),
    Index("invoice_proofs_by_subject", "subject_id"),
    Index(
        "invoice_proofs_unwritten",
        "created_at",
        postgresql_where=text("metadata_written_at IS NULL"),
    ),
)

reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("trigger", Text, info=INTERNAL),
    required("state", Text, server_default="RUNNING", info=INTERNAL),
    required("started_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("finished_at", INSTANT, info=INTERNAL),
    Column("position", Uuid, info=INTERNAL),
    required("accounts", BigInteger, server_default=text("0"), info=INTERNAL),
    required("findings", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("error", Text, info=INTERNAL),
    CheckConstraint("trigger IN ('cron', 'operator')", name="reconciliation_runs_trigger_known"),
    CheckConstraint(
        "state IN ('RUNNING', 'COMPLETED', 'FAILED')", name="reconciliation_runs_state_known"
    ),
    CheckConstraint(
        "(state = 'RUNNING') = (finished_at IS NULL)", name="reconciliation_runs_end_has_its_time"
    ),
    Index(
        "reconciliation_runs_one_running",
        "state",
        unique=True,
        postgresql_where=text("state = 'RUNNING'"),
    ),
    Index("reconciliation_runs_by_time", text("started_at DESC")),
    info={"states": {"RUNNING": ("COMPLETED", "FAILED"), "COMPLETED": (), "FAILED": ()}},
)

reconciliation_findings = Table(
    "reconciliation_findings",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("run_id", Uuid, ForeignKey("reconciliation_runs.id"), info=INTERNAL),
    Column("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    required("kind", Text, info=INTERNAL),
    required("outcome", Text, info=INTERNAL),
    Column("period_start", INSTANT, info=INTERNAL),
    Column("period_end", INSTANT, info=INTERNAL),
    Column("counted", BigInteger, info=INTERNAL),
    Column("events", BigInteger, info=INTERNAL),
    Column("reported", BigInteger, info=INTERNAL),
    Column("at_stripe", BigInteger, info=INTERNAL),
    required("evidence", JSONB, server_default="{}", info=INTERNAL),
    Column("healed_at", INSTANT, info=INTERNAL),
    Column("resolved_at", INSTANT, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(
        "outcome IN ('equal', 'in_flight', 'ours_ahead', 'stripe_ahead', 'inconsistent')",
        name="reconciliation_findings_outcome_known",
    ),
    Index("reconciliation_findings_by_run", "run_id"),
    Index("reconciliation_findings_by_account", "account_id", text("created_at DESC")),
)
