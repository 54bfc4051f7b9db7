"""`python -m msaas.dev.schema [--check]`: writes the two documents, or lists those that drifted."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from msaas.contracts.generate import GeneratedFiles, run_generator
from msaas.dev.schema.authorization import render_authorization
from msaas.dev.schema.data_model import render_data_model
from msaas.dev.schema.owners import SCHEMA_OWNERS
from msaas.local.migrate import migrate
from msaas.testing.shared_servers import SharedServers, fresh_database, read_given_urls


async def render(server: str) -> GeneratedFiles:
    """Migrate a new database on that server and describe it."""
    async with fresh_database(server) as url:
        await asyncio.to_thread(migrate, url)
        connection = await asyncpg.connect(url)
        try:
            authorization = await render_authorization(connection, SCHEMA_OWNERS)
        finally:
            await connection.close()
    return {
        Path("docs/data-model.md"): render_data_model(SCHEMA_OWNERS),
        Path("docs/authorization-contract.md"): authorization,
    }


def render_files(_root: Path) -> GeneratedFiles:
    servers = SharedServers(read_given_urls())
    try:
        return asyncio.run(render(servers.postgres_url))
    finally:
        servers.stop()


if __name__ == "__main__":
    sys.exit(run_generator(render_files, __doc__, None))
