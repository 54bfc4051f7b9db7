"""`./msaas migrate`: every service's schema at its head, and passwords for the services' logins."""

import asyncio
import os
from argparse import ArgumentParser
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from msaas.contracts import DATABASE_LOGINS
from msaas.embedded import LocalError
from msaas.local.errors import report_errors
from msaas.local.home import REPOSITORY
from msaas.local.running_fleet import get_database_url
from msaas.postgres.logins import find_passwords, set_passwords
from msaas.postgres.service_migrations import DECLARATION, MigrationChain

SERVICES = REPOSITORY / "services"


def list_migration_chains(services: Path = SERVICES) -> Mapping[str, MigrationChain]:
    """Map services to their chains so that each comes after those that its keys point to."""
    declared = {
        path.parent.parent.name: MigrationChain.read(path.parent)
        for path in sorted(services.glob(f"*/migrations/{DECLARATION}"))
    }
    if not declared:
        raise LocalError(f"No migrations found in {services}: name the folder with --services.")
    order = TopologicalSorter({name: chain.after for name, chain in declared.items()})
    return {name: declared[name] for name in order.static_order()}


def migrate(dsn: str, chains: Mapping[str, MigrationChain] | None = None) -> None:
    """Bring every chain to its head. Blocking, as `Migrations` is."""
    for chain in (list_migration_chains() if chains is None else chains).values():
        chain.upgrade(dsn)


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas migrate", description=__doc__)
    parser.add_argument("--services", type=Path, default=SERVICES, help="the folder of services")
    options = parser.parse_args(argv)
    url = get_database_url(os.environ)
    chains = list_migration_chains(options.services)
    migrate(url, chains)
    print(f"migrated: {', '.join(chains)}")
    given = find_passwords(DATABASE_LOGINS, os.environ)
    asyncio.run(set_passwords(url, given))
    print(f"passwords set: {', '.join(given) or 'none'}")
    return 0
