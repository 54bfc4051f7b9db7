"""The schemas of all services seen as one database: audited and described."""

from msaas.dev.schema.audit import find_problems
from msaas.dev.schema.owners import SCHEMA_OWNERS, SchemaOwner

__all__ = ["SCHEMA_OWNERS", "SchemaOwner", "find_problems"]
