"""A dispatcher that ends its own process, as kill -9 would, with its picks not yet committed."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.telemetry import Metrics


class DyingDatabase(Database):
    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncGenerator[DatabaseConnection]:
        async with super().transaction(**options) as connection:
            yield connection
            os._exit(137)


async def main(database_url: str) -> None:
    setting = PostgresConfig(database_url)
    async with DyingDatabase(setting, Metrics("jobs", "test")) as database:
        await PostgresDispatch(database, window=200).pick(1)


if __name__ == "__main__":
    asyncio.run(main(os.environ["DATABASE_URL"]))
