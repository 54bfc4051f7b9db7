"""Creates a database with its own owner where it does not exist."""

import asyncio

import asyncpg

from msaas.postgres.logins import set_password


def ensure_database(admin_url: str, name: str, login: str, password: str) -> None:
    """Create the login and the database if missing, and set the password; safe to repeat."""
    asyncio.run(_ensure(admin_url, name, login, password))


async def _ensure(admin_url: str, name: str, login: str, password: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("SELECT to_regrole($1)", login):
            await connection.execute(f'CREATE ROLE "{login}" LOGIN')
        await set_password(connection, login, password)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{login}"')
    finally:
        await connection.close()
