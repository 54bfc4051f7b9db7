"""The schemas of all services seen as one database: migrated in order, audited, described."""

from msaas.cli.schema.audit import find_problems
from msaas.cli.schema.owners import OWNERS, Owner, migrate

__all__ = ["OWNERS", "Owner", "find_problems", "migrate"]
