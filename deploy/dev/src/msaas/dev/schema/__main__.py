"""`python -m msaas.dev.schema [--check]`: writes the two documents, or lists those that drifted."""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncpg

from msaas.dev.schema.authorization import render_authorization
from msaas.dev.schema.data_model import render_data_model
from msaas.dev.schema.owners import SCHEMA_OWNERS
from msaas.dev.workspace import ROOT
from msaas.local.migration_chains import migrate
from msaas.testing.databases import fresh_database
from msaas.testing.shared_servers import SharedServers, read_given_urls


async def render(server: str) -> dict[Path, str]:
    """Migrate a new database on that server and describe it."""
    async with fresh_database(server) as url:
        await asyncio.to_thread(migrate, url)
        connection = await asyncpg.connect(url)
        try:
            authorization = await render_authorization(connection, SCHEMA_OWNERS)
        finally:
            await connection.close()
    docs = ROOT / "docs"
    return {
        docs / "data-model.md": render_data_model(SCHEMA_OWNERS),
        docs / "authorization-contract.md": authorization,
    }


def list_drift(files: dict[Path, str]) -> list[Path]:
    return [
        path
        for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m msaas.dev.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, report drift")
    chosen = parser.parse_args(arguments)
    servers = SharedServers(read_given_urls())
    try:
        files = asyncio.run(render(servers.postgres_url))
    finally:
        servers.stop()
    drifted = list_drift(files)
    for path in drifted:
        print(path.relative_to(ROOT))
        if not chosen.check:
            path.write_text(files[path], encoding="utf-8")
    return 1 if chosen.check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
