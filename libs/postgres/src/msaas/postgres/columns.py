"""Column types, defaults and names that the models of every schema share.

`info` is the class of data that a column holds: docs/data-model.md explains and lists them.
"""

from typing import Any

from sqlalchemy import TIMESTAMP, Column, Integer, MetaData, Uuid, text
from sqlalchemy.schema import SchemaItem

PUBLIC = {"class": "public"}
INTERNAL = {"class": "internal"}
PERSONAL = {"class": "personal"}
CONTENT = {"class": "content"}
SECRET = {"class": "secret"}

INSTANT = TIMESTAMP(timezone=True)
NOW = text("now()")
PLAN_KNOWN = "plan IN ('FREE', 'PRO', 'ENTERPRISE')"


def build_metadata(schema: str) -> MetaData:
    """Name constraints as Postgres does by default, so that no script has to name them."""
    return MetaData(
        schema=schema,
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
        },
    )


def required(name: str, kind: Any, *parts: SchemaItem, **options: Any) -> Column[Any]:
    return Column(name, kind, *parts, nullable=False, **options)


def audit_columns() -> tuple[Column[Any], ...]:
    """Return the columns of every aggregate; a trigger sets `updated_at` and `version`."""
    return (
        required("created_at", INSTANT, server_default=NOW, info=INTERNAL),
        required("updated_at", INSTANT, server_default=NOW, info=INTERNAL),
        Column("created_by", Uuid, info=PERSONAL),
        required("version", Integer, server_default=text("1"), info=INTERNAL),
    )
