"""The service with a point on a result's way at which it ends its own process."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from msaas.jobs import bootstrap
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.messaging import ConsumerTimings, RedisBroker
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import with_process_exit


class DyingDatabase(Database):
    """Has written all, and does not come to commit it."""

    @asynccontextmanager
    async def transaction(
        self, *, lock_timeout: float | None = None
    ) -> AsyncGenerator[DatabaseConnection]:
        async with super().transaction(lock_timeout=lock_timeout) as connection:
            yield connection
            os._exit(137)


def _replace_store(store: PostgresResults, _database: Database) -> PostgresResults:
    return store


async def main(redis_url: str, database_url: str, environment: str, crash: str) -> None:
    broker, metrics = RedisBroker(redis_url), Metrics("jobs", environment)
    setting = PostgresConfig(database_url)
    async with Database(setting, metrics) as database, DyingDatabase(setting, metrics) as dying:
        store = PostgresResults(dying if crash == "before commit" else database)
        if crash == "after commit":
            store = with_process_exit(store, "settle", "after")
        if crash == "after publish":
            broker = with_process_exit(broker, "commit", "after")
        cast("Any", bootstrap).PostgresResults = partial(_replace_store, store)
        service = bootstrap.assemble(
            database,
            broker,
            environment,
            metrics,
            opener=bootstrap.read_keys(LOCAL_SEALING_KEY),
            dispatch_window=200,
            timings=ConsumerTimings(block_timeout=0.05),
        )
        await service.run(asyncio.Event())


if __name__ == "__main__":
    given = os.environ
    asyncio.run(
        main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"], given["CRASH"])
    )
