"""The metadata of schema `agents`, and columns that many of its tables share."""

from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, Table, Uuid, text

from msaas.postgres.columns import INTERNAL, PERSONAL, build_metadata, required

metadata = build_metadata("agents")

# The gateway's table, declared here only for foreign keys.
users = Table("users", MetaData(schema="identity"), Column("id", Uuid, primary_key=True))

ZERO = text("0")


def owner_column(**options: Any) -> Column[Any]:
    user = ForeignKey(users.c.id, ondelete="CASCADE")
    return required("user_id", Uuid, user, info=PERSONAL, **options)


def run_column(**options: Any) -> Column[Any]:
    run = ForeignKey("runs.id", ondelete="CASCADE")
    return required("run_id", Uuid, run, info=INTERNAL, **options)


def count_column(name: str, kind: Any) -> Column[Any]:
    return required(name, kind, server_default=ZERO, info=INTERNAL)
