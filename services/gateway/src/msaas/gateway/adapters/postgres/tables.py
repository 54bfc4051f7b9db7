"""The tables of schema `identity`: users, API keys, feature flags, the audit outbox.

`info` has the data class of each column; docs/data-model.md lists them.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB
from sqlalchemy.schema import SchemaItem

INTERNAL = {"class": "internal"}
PERSONAL = {"class": "personal"}
SECRET = {"class": "secret"}

TIMESTAMPTZ = TIMESTAMP(timezone=True)
NOW = text("now()")

metadata = MetaData(
    schema="identity",
    # The default names of Postgres, so that migrations need not spell them.
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    },
)


def required_column(name: str, kind: Any, *parts: SchemaItem, **options: Any) -> Column[Any]:
    return Column(name, kind, *parts, nullable=False, **options)


def aggregate_columns() -> tuple[Column[Any], ...]:
    """Return the columns of every aggregate; a trigger sets `updated_at` and `version`."""
    return (
        required_column("created_at", TIMESTAMPTZ, server_default=NOW, info=INTERNAL),
        required_column("updated_at", TIMESTAMPTZ, server_default=NOW, info=INTERNAL),
        Column("created_by", Uuid, info=PERSONAL),
        required_column("version", Integer, server_default=text("1"), info=INTERNAL),
    )


users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True, info=PERSONAL),
    Column("email", CITEXT, info=PERSONAL),
    Column("display_name", Text, info=PERSONAL),
    Column("avatar", Text, info=PERSONAL),
    required_column("role", Text, server_default="user", info=INTERNAL),
    required_column("plan", Text, server_default="FREE", info=INTERNAL),
    required_column("plan_version", BigInteger, server_default=text("0"), info=INTERNAL),
    Column("stripe_customer_id", Text, unique=True, info=PERSONAL),
    Column("locale", Text, info=PERSONAL),
    Column("last_seen_at", TIMESTAMPTZ, info=PERSONAL),
    Column("banned_at", TIMESTAMPTZ, info=PERSONAL),
    Column("sessions_ended_at", TIMESTAMPTZ, info=PERSONAL),
    required_column(
        "quota_notifications",
        ARRAY(SmallInteger),
        server_default=text("'{50,80,100}'"),
        info=PERSONAL,
    ),
    Column("erased_at", TIMESTAMPTZ, info=INTERNAL),
    Column("deleted_at", TIMESTAMPTZ, info=INTERNAL),
    *aggregate_columns(),
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
    required_column("user_id", Uuid, ForeignKey(users.c.id, ondelete="CASCADE"), info=PERSONAL),
    required_column("name", Text, info=PERSONAL),
    required_column("prefix", Text, info=INTERNAL),
    required_column("hash", LargeBinary, unique=True, info=SECRET),
    required_column("scopes", ARRAY(Text), server_default="{}", info=INTERNAL),
    Column("requests_per_minute", Integer, info=INTERNAL),
    Column("last_used_at", TIMESTAMPTZ, info=PERSONAL),
    Column("expires_at", TIMESTAMPTZ, info=INTERNAL),
    Column("revoked_at", TIMESTAMPTZ, info=INTERNAL),
    Column("replaced_by", Uuid, info=INTERNAL),
    *aggregate_columns(),
    CheckConstraint("octet_length(hash) = 32", name="api_keys_hash_is_sha256"),
    Index("api_keys_by_user", "user_id"),
    info={"root": True},
)

flags = Table(
    "flags",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required_column("name", Text, info=INTERNAL),
    required_column("scope", Text, server_default="global", info=PERSONAL),
    required_column("value", JSONB, info=INTERNAL),
    Column("changed_by", Uuid, info=PERSONAL),
    *aggregate_columns(),
    UniqueConstraint("name", "scope"),
    info={"root": True},
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    Column("id", Uuid, primary_key=True, info=INTERNAL),
    required_column("body", JSONB, info=PERSONAL),
    required_column("correlation_id", Text, info=INTERNAL),
    required_column("created_at", TIMESTAMPTZ, server_default=NOW, info=INTERNAL),
    Column("sent_at", TIMESTAMPTZ, info=INTERNAL),
    Index("audit_outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
)

broker_epoch = Table(
    "broker_epoch",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true"), info=INTERNAL),
    required_column("epoch", Text, info=INTERNAL),
    required_column("handled_at", TIMESTAMPTZ, server_default=NOW, info=INTERNAL),
    CheckConstraint("only_row", name="broker_epoch_is_one_row"),
)
