"""The audit finds nothing in the committed schemas, and finds each planted hole."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from msaas.dev.schema import find_problems
from msaas.local.migrate import migrate

HOLES = {
    "CREATE TABLE jobs.notes (id uuid)": "jobs.notes: row-level security is not both",
    "ALTER TABLE jobs.jobs NO FORCE ROW LEVEL SECURITY": "jobs.jobs: row-level security is not",
    "ALTER TABLE identity.users DISABLE ROW LEVEL SECURITY": "identity.users: row-level security",
    "CREATE VIEW api_v1.all_jobs AS SELECT * FROM jobs.jobs": "api_v1.all_jobs: a view without",
    "ALTER VIEW api_v1.me SET (security_invoker = off)": "api_v1.me: a view without",
    "CREATE MATERIALIZED VIEW jobs.stats AS SELECT 1": "jobs.stats: a materialized view",
    "GRANT SELECT ON api_v1.jobs TO anon": "api_v1.jobs: is granted to PUBLIC or anon",
    "GRANT SELECT ON jobs.queue_stats TO PUBLIC": "jobs.queue_stats: is granted to PUBLIC or anon",
    "CREATE FUNCTION jobs.peek() RETURNS int SECURITY DEFINER SET search_path = ''"
    " RETURN 1": "jobs.peek(): a SECURITY DEFINER function is open to PUBLIC",
    "CREATE FUNCTION jobs.peek() RETURNS int SECURITY DEFINER RETURN 1;"
    " REVOKE EXECUTE ON FUNCTION jobs.peek FROM PUBLIC": "jobs.peek(): a SECURITY DEFINER"
    " function does not fix its search_path",
    "GRANT SELECT (fence) ON jobs.jobs TO authenticated": "jobs.jobs.fence: is a secret that",
    "GRANT SELECT ON identity.api_keys TO authenticated": "identity.api_keys.hash: is a secret",
    "ALTER ROLE svc_jobs BYPASSRLS": "svc_jobs: is superuser or sees past",
    "ALTER ROLE svc_gateway CREATEROLE": "svc_gateway: may make roles",
    "GRANT service_role TO svc_gateway_read": "svc_gateway_read: is a member of more",
}


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    await asyncio.to_thread(migrate, database_url)
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_committed_schemas_have_no_hole(admin: asyncpg.Connection) -> None:
    assert await find_problems(admin) == []


async def test_each_hole_is_found(admin: asyncpg.Connection) -> None:
    missed: list[str] = []
    for hole, problem in HOLES.items():
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute(hole)
        found = await find_problems(admin)
        await transaction.rollback()
        missed += [hole] if not any(line.startswith(problem) for line in found) else []
    assert missed == []
