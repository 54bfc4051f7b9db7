"""A fresh database per test on the shared Postgres."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncGenerator[str]:
    """Create a database, yield its URL, and drop it together with open connections."""
    name = f"test_{uuid4().hex}"
    await _execute(server_url, f"create database {name}")
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        await _execute(server_url, f"drop database {name} with (force)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
