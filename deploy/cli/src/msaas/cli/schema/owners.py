"""Which service owns which schema, in the order in which they can be installed."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import MetaData

from msaas.cli.house import ROOT
from msaas.gateway.adapters.postgres.tables import metadata as identity
from msaas.jobs.adapters.postgres.tables import metadata as jobs
from msaas.postgres import Migrations, PostgresSetting

API = "api_v1"
"""The schema of views to which every owner publishes what users may read."""


@dataclass(frozen=True)
class Owner:
    service: str
    metadata: MetaData

    @property
    def schema(self) -> str:
        return str(self.metadata.schema)

    def migrations(self, dsn: str) -> Migrations:
        scripts = ROOT / "services" / self.service / "migrations"
        return Migrations(self.schema, scripts, PostgresSetting(dsn))


# Foreign keys point only at identity.users, hence the gateway first.
OWNERS = (Owner("gateway", identity), Owner("jobs", jobs))


def migrate(dsn: str, owners: Iterable[Owner] = OWNERS) -> None:
    """Bring every chain to its head. Blocking, as `Migrations` is."""
    for owner in owners:
        owner.migrations(dsn).upgrade()
