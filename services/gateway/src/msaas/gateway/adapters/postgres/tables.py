"""The tables of schema `identity`: users, API keys, feature flags, the audit outbox.

`info` has the data class of each column; docs/data-model.md lists them.
"""

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
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB

from msaas.postgres.columns import (
    INSTANT,
    INTERNAL,
    NOW,
    PERSONAL,
    SECRET,
    audit_columns,
    build_metadata,
    required,
)

metadata = build_metadata("identity")

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True, info=PERSONAL),
    Column("email", CITEXT, info=PERSONAL),
    Column("display_name", Text, info=PERSONAL),
    Column("avatar", Text, info=PERSONAL),
    required("role", Text, server_default="user", info=INTERNAL),
    required("plan", Text, server_default="FREE", info=INTERNAL),
    required("plan_version", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("stripe_customer_id", Text, unique=True, info=PERSONAL),
    Column("locale", Text, info=PERSONAL),
    Column("last_seen_at", INSTANT, info=PERSONAL),
    Column("banned_at", INSTANT, info=PERSONAL),
    Column("sessions_ended_at", INSTANT, info=PERSONAL),
    required(
        "quota_notifications",
        ARRAY(SmallInteger),
        server_default=text("'{50,80,100}'"),
        info=PERSONAL,
    ),
    Column("erased_at", INSTANT, info=INTERNAL),
    Column("deleted_at", INSTANT, info=INTERNAL),
    *audit_columns(),
    CheckConstraint("role IN ('user', 'operator')", name="users_role_known"),
    CheckConstraint("plan IN ('FREE', 'PRO', 'ENTERPRISE')", name="users_plan_known"),
    CheckConstraint(
        "erased_at IS NULL OR"
        " num_nonnulls(email, display_name, avatar, stripe_customer_id, locale) = 0",
        name="users_tombstone_is_blank",
    ),
    Index("users_by_creation", "created_at", "id"),
    Index(
        "users_living_email",
        "email",
        unique=True,
        postgresql_where=text("erased_at IS NULL AND deleted_at IS NULL"),
    ),
    info={"root": True},
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), info=PERSONAL),
    required("name", Text, info=PERSONAL),
    required("prefix", Text, info=INTERNAL),
    required("hash", LargeBinary, unique=True, info=SECRET),
    required("scopes", ARRAY(Text), server_default="{}", info=INTERNAL),
    Column("requests_per_minute", Integer, info=INTERNAL),
    Column("last_used_at", INSTANT, info=PERSONAL),
    Column("expires_at", INSTANT, info=INTERNAL),
    Column("revoked_at", INSTANT, info=INTERNAL),
    Column("replaced_by", Uuid, info=INTERNAL),
    *audit_columns(),
    CheckConstraint("octet_length(hash) = 32", name="api_keys_hash_is_sha256"),
    Index("api_keys_by_user", "user_id"),
    info={"root": True},
)

flags = Table(
    "flags",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("name", Text, info=INTERNAL),
    required("scope", Text, server_default="global", info=PERSONAL),
    required("value", JSONB, info=INTERNAL),
    Column("changed_by", Uuid, info=PERSONAL),
    *audit_columns(),
    UniqueConstraint("name", "scope"),
    info={"root": True},
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required("body", JSONB, info=PERSONAL),
    required("correlation_id", Text, info=INTERNAL),
    required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
    Column("sent_at", INSTANT, info=INTERNAL),
    Index("audit_outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
)

broker_epoch = Table(
    "broker_epoch",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true"), info=INTERNAL),
    required("epoch", Text, info=INTERNAL),
    required("handled_at", INSTANT, server_default=NOW, info=INTERNAL),
    CheckConstraint("only_row", name="broker_epoch_is_one_row"),
)
