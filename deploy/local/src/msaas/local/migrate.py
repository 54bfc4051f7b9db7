"""`./msaas migrate`: every service's schema at its head, and passwords for the services' logins."""

import asyncio
import os
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import asyncpg

from msaas.contracts import DATABASE_LOGINS
from msaas.embedded import LocalError
from msaas.local.databases import set_password
from msaas.local.errors import report_errors
from msaas.local.home import REPOSITORY
from msaas.local.running_fleet import get_database_url
from msaas.postgres import PostgresConfig
from msaas.postgres.migrations import Migrations

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


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas migrate", description=__doc__)
    parser.add_argument("--services", type=Path, default=SERVICES, help="the folder of services")
    options = parser.parse_args(argv)
    url = get_database_url(os.environ)
    chains = list_migration_chains(options.services)
    migrate(url, chains)
    print(f"migrated: {', '.join(chain.service for chain in chains)}")
    variables = {login: f"{login.upper()}_PASSWORD" for login in DATABASE_LOGINS}
    given = {login: os.environ[name] for login, name in variables.items() if os.environ.get(name)}
    asyncio.run(set_passwords(url, given))
    print(f"passwords set: {', '.join(given) or 'none'}")
    return 0


async def set_passwords(url: str, passwords: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for login, password in passwords.items():
            await set_password(connection, login, password)
    finally:
        await connection.close()
