"""Customers, their subscriptions and spend limits, and the catalogue that prices come from."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from msaas.billing.adapters.postgres.metadata import metadata
from msaas.postgres.columns import (
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    PLAN_KNOWN,
    PUBLIC,
    audit_columns,
    required,
)

# The gateway's table, declared here only for foreign keys.
users = Table("users", MetaData(schema="identity"), Column("id", Uuid, primary_key=True))

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    Column(
        "user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), unique=True, info=PERSONAL
    ),
    Column("stripe_customer_id", Text, unique=True, info=PERSONAL),
    required("livemode", Boolean, info=INTERNAL),
    required("plan", Text, server_default="FREE", info=INTERNAL),
    required("status", Text, server_default="none", info=INTERNAL),
    Column("period_start", INSTANT, info=INTERNAL),
    Column("period_end", INSTANT, info=INTERNAL),
    Column("next_plan", Text, info=INTERNAL),
    Column("past_due_since", INSTANT, info=INTERNAL),
    Column("disputed_at", INSTANT, info=INTERNAL),
    Column("customer_deleted_at", INSTANT, info=INTERNAL),
    required("fetched_version", BigInteger, server_default=text("0"), info=INTERNAL),
    required("published_version", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("fetched_at", INSTANT, info=INTERNAL),
    Column("next_look_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    CheckConstraint(PLAN_KNOWN, name="accounts_plan_known"),
    CheckConstraint(f"next_{PLAN_KNOWN}", name="accounts_next_plan_known"),
    CheckConstraint("period_start < period_end", name="accounts_period_has_length"),
    CheckConstraint(
        "(plan = 'FREE') = (period_start IS NULL)"
        " AND (period_start IS NULL) = (period_end IS NULL)",
        name="accounts_paid_plan_has_a_period",
    ),
    Index("accounts_to_look_at", "next_look_at", postgresql_where=text("next_look_at IS NOT NULL")),
    info={"root": True},
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("stripe_subscription_id", Text, primary_key=True, info=PERSONAL),
    required("account_id", Uuid, ForeignKey("accounts.id"), info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    required("plan", Text, info=INTERNAL),
    required("status", Text, info=INTERNAL),
    Column("current_period_start", INSTANT, info=INTERNAL),
    Column("current_period_end", INSTANT, info=INTERNAL),
    required("cancel_at_period_end", Boolean, server_default=text("false"), info=INTERNAL),
    Column("cancel_at", INSTANT, info=INTERNAL),
    Column("canceled_at", INSTANT, info=INTERNAL),
    Column("ended_at", INSTANT, info=INTERNAL),
    Column("trial_end", INSTANT, info=INTERNAL),
    required("collection_paused", Boolean, server_default=text("false"), info=INTERNAL),
    Column("next_plan", Text, info=INTERNAL),
    Column("schedule_id", Text, info=INTERNAL),
    Column("flat_item_id", Text, info=INTERNAL),
    Column("flat_price_id", Text, info=INTERNAL),
    Column("metered_item_id", Text, info=INTERNAL),
    Column("metered_price_id", Text, info=INTERNAL),
    Column("latest_invoice_id", Text, info=INTERNAL),
    required("started_at", INSTANT, info=INTERNAL),
    required("fetched_version", BigInteger, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    required("updated_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(PLAN_KNOWN, name="subscriptions_plan_known"),
    CheckConstraint(f"next_{PLAN_KNOWN}", name="subscriptions_next_plan_known"),
    CheckConstraint(
        "current_period_start <= current_period_end", name="subscriptions_period_in_order"
    ),
    Index("subscriptions_by_account", "account_id"),
    Index("subscriptions_by_user", "user_id"),
)

spend_limits = Table(
    "spend_limits",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True, info=INTERNAL),
    Column("user_id", Uuid, ForeignKey(users.c.id, ondelete="SET NULL"), info=PERSONAL),
    Column("amount", BigInteger, info=PERSONAL),
    required("currency", Text, server_default="usd", info=INTERNAL),
    *audit_columns(),
    CheckConstraint("amount >= 0", name="spend_limits_amount_counts"),
    Index("spend_limits_by_user", "user_id"),
    info={"root": True},
)

spend_alerts = Table(
    "spend_alerts",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True, info=INTERNAL),
    Column("period_start", INSTANT, primary_key=True, info=INTERNAL),
    Column("percent", SmallInteger, primary_key=True, autoincrement=False, info=INTERNAL),
    required("spent", BigInteger, info=PERSONAL),
    required("amount", BigInteger, info=PERSONAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("percent IN (50, 80, 100)", name="spend_alerts_percent_known"),
)

prices = Table(
    "prices",
    metadata,
    Column("stripe_price_id", Text, primary_key=True, info=PUBLIC),
    required("plan", Text, info=PUBLIC),
    required("kind", Text, info=PUBLIC),
    required("lookup_key", Text, info=PUBLIC),
    required("product_id", Text, info=PUBLIC),
    required("currency", Text, info=PUBLIC),
    required("unit_amount", Numeric, info=PUBLIC),
    required("recurring_interval", Text, info=PUBLIC),
    Column("meter_id", Text, info=INTERNAL),
    required("livemode", Boolean, info=INTERNAL),
    required("is_offered", Boolean, info=PUBLIC),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint(PLAN_KNOWN, name="prices_plan_known"),
    CheckConstraint("kind IN ('flat', 'metered')", name="prices_kind_known"),
    CheckConstraint("(kind = 'metered') = (meter_id IS NOT NULL)", name="prices_metered_has_meter"),
    CheckConstraint("unit_amount >= 0", name="prices_amount_counts"),
    Index(
        "prices_one_offered",
        *("plan", "kind", "livemode"),
        unique=True,
        postgresql_where=text("is_offered"),
    ),
)

catalogue = Table(
    "catalogue",
    metadata,
    Column("livemode", Boolean, primary_key=True, info=INTERNAL),
    required("meter_id", Text, info=INTERNAL),
    required("meter_event_name", Text, info=INTERNAL),
    required("portal_configuration_id", Text, info=INTERNAL),
    required("webhook_endpoint_id", Text, info=INTERNAL),
    required("api_version", Text, info=INTERNAL),
    required("verified_at", INSTANT, server_default=NOW, info=INTERNAL),
)
