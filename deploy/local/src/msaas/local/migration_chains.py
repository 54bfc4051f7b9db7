"""Finds each service's migrations in its folder; no service is imported."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from msaas.embedded import LocalError
from msaas.local.home import REPOSITORY
from msaas.postgres import Migrations, PostgresConfig

SERVICES = REPOSITORY / "services"
_DECLARATION = "schema.toml"


@dataclass(frozen=True)
class MigrationChain:
    """The migrations of one service and the schema that they own."""

    service: str
    schema: str
    scripts: Path

    def migrations(self, dsn: str) -> Migrations:
        return Migrations(self.schema, self.scripts, PostgresConfig(dsn))


def list_migration_chains(services: Path = SERVICES) -> list[MigrationChain]:
    """List the chains so that each comes after those that its foreign keys point to."""
    declared = {
        path.parent.parent.name: (path.parent, _read(path))
        for path in sorted(services.glob(f"*/migrations/{_DECLARATION}"))
    }
    if not declared:
        raise LocalError(f"No migrations found in {services}: name the folder with --services.")
    order = TopologicalSorter({name: schema["after"] for name, (_, schema) in declared.items()})
    chains = ((name, *declared[name]) for name in order.static_order())
    return [MigrationChain(name, schema["schema"], scripts) for name, scripts, schema in chains]


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def migrate(dsn: str, chains: Iterable[MigrationChain] | None = None) -> None:
    """Bring every chain to its head. Blocking, as `Migrations` is."""
    for chain in list_migration_chains() if chains is None else chains:
        chain.migrations(dsn).upgrade()
