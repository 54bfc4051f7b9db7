"""One database for each process of a test run; tests have users of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from services.agents.tests.engine_support import Engine, running_engine
from services.agents.tests.stores_support import AgentsData
from services.conftest import copy_database, drop_database

from msaas.agents.adapters.postgres.stores import build_stores
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics


async def set_password(server: str, login: str) -> None:
    admin = await asyncpg.connect(server)
    try:
        # Of the workers of a test run, one after the other: a role is the whole server's.
        await admin.execute("SELECT pg_advisory_lock(hashtext($1))", login)
        await admin.execute(f"ALTER ROLE {login} PASSWORD '{login}'")
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def agents_url(postgres_url: str, template: str) -> Iterator[str]:
    """Name a database that only the service's own login and the superuser use."""

    async def create() -> str:
        url = await copy_database(postgres_url, template)
        await set_password(postgres_url, "svc_agents")
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


@pytest_asyncio.fixture
async def engine(agents_url: str, redis_url: str, environment: str) -> AsyncIterator[Engine]:
    """Run the jobs service of this test's environment; its rows are distinguished by user."""
    await set_password(agents_url, "svc_jobs")
    async with running_engine(agents_url, redis_url, environment) as running:
        yield running
