"""`./msaas migrate`: every service's schema at its head, and passwords for the services' logins."""

import asyncio
import os
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from msaas.contracts import DATABASE_LOGINS
from msaas.local.databases import set_password
from msaas.local.errors import report_errors
from msaas.local.migration_chains import SERVICES, list_migration_chains, migrate
from msaas.local.running_fleet import get_database_url


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
