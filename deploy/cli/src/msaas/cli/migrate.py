"""`./msaas migrate`: every service's schema at its head, and passwords for the services' logins."""

import asyncio
import os
from argparse import ArgumentParser
from collections.abc import Mapping

import asyncpg

from msaas.dev.schema import SCHEMA_OWNERS, migrate
from msaas.local.running_fleet import get_database_url

LOGINS = ("svc_gateway", "svc_gateway_read", "svc_jobs")


def run(argv: list[str]) -> int:
    ArgumentParser("msaas migrate").parse_args(argv)
    url = get_database_url(os.environ)
    migrate(url)
    print(f"migrated: {', '.join(owner.service for owner in SCHEMA_OWNERS)}")
    passwords = {login: os.environ.get(f"{login.upper()}_PASSWORD", "") for login in LOGINS}
    given = {login: password for login, password in passwords.items() if password}
    asyncio.run(set_passwords(url, given))
    print(f"passwords set: {', '.join(given) or 'none'}")
    return 0


async def set_passwords(url: str, passwords: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for login, password in passwords.items():
            quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
            await connection.execute(f'ALTER ROLE "{login}" PASSWORD {quoted}')
    finally:
        await connection.close()
