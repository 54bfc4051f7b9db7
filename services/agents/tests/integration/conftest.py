"""One database for each process of a test run; tests have users of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from services.agents.tests.stores_support import AgentsData
from services.conftest import copy_database, drop_database

from msaas.agents.adapters.postgres.stores import build_stores
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics


@pytest.fixture(scope="session")
def agents_url(postgres_url: str, template: str) -> Iterator[str]:
    """Name a database that only the service's own login and the superuser use."""

    async def create() -> str:
        url = await copy_database(postgres_url, template)
        admin = await asyncpg.connect(postgres_url)
        try:
            # Of the workers of a test run, one after the other: a role is the whole server's.
            await admin.execute("SELECT pg_advisory_lock(hashtext('svc_agents'))")
            await admin.execute("ALTER ROLE svc_agents PASSWORD 'svc_agents'")
        finally:
            await admin.close()
        return url

    url = asyncio.run(create())
    yield url
    asyncio.run(drop_database(postgres_url, url))


@pytest.fixture(scope="session")
def agents_login(agents_url: str) -> str:
    """Name it as the service's login: what that may not do, no test can do."""
    parts = urlsplit(agents_url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"svc_agents:svc_agents@{host}").geturl()


@pytest_asyncio.fixture
async def agents_database(agents_login: str) -> AsyncIterator[Database]:
    async with Database(PostgresConfig(agents_login), Metrics("agents", "test")) as database:
        yield database


@pytest_asyncio.fixture
async def data(agents_url: str, agents_database: Database) -> AsyncIterator[AgentsData]:
    connection = await asyncpg.connect(agents_url)
    yield AgentsData(build_stores(agents_database), connection)
    await connection.close()
