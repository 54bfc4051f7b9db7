"""Which service owns which schema, in the order in which they can be installed."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import MetaData

from msaas.dev.workspace import ROOT
from msaas.gateway.adapters.postgres.tables import metadata as identity
from msaas.jobs.adapters.postgres.tables import metadata as jobs
from msaas.postgres import Migrations, PostgresConfig

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
        scripts = ROOT / "services" / self.service / "migrations"
        return Migrations(self.schema, scripts, PostgresConfig(dsn))


# Foreign keys point only at identity.users, hence the gateway first.
SCHEMA_OWNERS = (SchemaOwner("gateway", identity), SchemaOwner("jobs", jobs))


def migrate(dsn: str, owners: Iterable[SchemaOwner] = SCHEMA_OWNERS) -> None:
    """Bring every chain to its head. Blocking, as `Migrations` is."""
    for owner in owners:
        owner.migrations(dsn).upgrade()
