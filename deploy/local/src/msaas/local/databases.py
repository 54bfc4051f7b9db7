"""Creates a database with its own owner where it does not exist."""

import asyncio

import asyncpg


def ensure_database(admin_url: str, name: str, login: str, password: str) -> None:
    """Create the login and the database if missing, and set the password; safe to repeat."""
    asyncio.run(_ensure(admin_url, name, login, password))


async def _ensure(admin_url: str, name: str, login: str, password: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        verb = "ALTER" if await connection.fetchval("SELECT to_regrole($1)", login) else "CREATE"
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f'{verb} ROLE "{login}" LOGIN PASSWORD {quoted}')
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{login}"')
    finally:
        await connection.close()
