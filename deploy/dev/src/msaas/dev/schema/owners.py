"""The tables of each service that owns a schema, in the order of installation."""

from dataclasses import dataclass

from sqlalchemy import MetaData

from msaas.agents.adapters.postgres.tables import metadata as agents
from msaas.billing.adapters.postgres.tables import metadata as billing
from msaas.gateway.adapters.postgres.tables import metadata as identity
from msaas.jobs.adapters.postgres.tables import metadata as jobs
from msaas.local.migrate import list_migration_chains
from msaas.postgres.migrations import Migrations

API_SCHEMA = "api_v1"
"""The schema of views to which every owner publishes what users may read."""


@dataclass(frozen=True)
class SchemaOwner:
    service: str
    metadata: MetaData

    @property
    def schema(self) -> str:
        return str(self.metadata.schema)

    def migrations(self, dsn: str) -> Migrations:
        chains = {chain.service: chain for chain in list_migration_chains()}
        return chains[self.service].migrations(dsn)


SCHEMA_OWNERS = (
    SchemaOwner("gateway", identity),
    SchemaOwner("jobs", jobs),
    SchemaOwner("billing", billing),
    SchemaOwner("agents", agents),
)
