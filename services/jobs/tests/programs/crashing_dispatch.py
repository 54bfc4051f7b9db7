"""A dispatcher that ends its own process, as kill -9 would, with its picks not yet committed."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, TRANSACTION_TIMEOUT
from msaas.telemetry import Metrics


class DyingDatabase(Database):
    @asynccontextmanager
    async def transaction(
        self,
        *,
        lock_timeout: float | None = HOT_ROW_LOCK_TIMEOUT,
        time_limit: float = TRANSACTION_TIMEOUT,
    ) -> AsyncGenerator[DatabaseConnection]:
        options = super().transaction(lock_timeout=lock_timeout, time_limit=time_limit)
        async with options as connection:
            yield connection
            os._exit(137)


async def main(database_url: str) -> None:
    setting = PostgresConfig(database_url)
    async with DyingDatabase(setting, Metrics("jobs", "test")) as database:
        await PostgresDispatch(database, window=200).pick(1)


if __name__ == "__main__":
    asyncio.run(main(os.environ["DATABASE_URL"]))
