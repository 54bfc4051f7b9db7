"""The schemas of all services seen as one database: migrated in order, audited, described."""

from msaas.dev.schema.audit import find_problems
from msaas.dev.schema.owners import SCHEMA_OWNERS, SchemaOwner, migrate

__all__ = ["SCHEMA_OWNERS", "SchemaOwner", "find_problems", "migrate"]
