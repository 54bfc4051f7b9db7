"""A dispatcher that stops itself inside its first pick, as a frozen host would."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.postgres import Database, DatabaseConnection, DatabaseUnavailable, PostgresConfig
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, TRANSACTION_TIMEOUT
from msaas.telemetry import Metrics


class FreezingDatabase(Database):
    """Freezes after the statements of the pick or, for `PARSED`, amid a statement's two halves."""

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
            if os.environ["FREEZES"] == "PARSED":
                # The driver has sent Parse and Flush: the session counts as active, not as idle.
                await connection.raw.prepare("SELECT 1")
            os.kill(os.getpid(), signal.SIGSTOP)


async def main(database_url: str) -> None:
    async with FreezingDatabase(PostgresConfig(database_url), Metrics("jobs", "test")) as database:
        try:
            await PostgresDispatch(database, window=200).pick(1)
        except DatabaseUnavailable:
            sys.stdout.write("unavailable\n")
        await database.ping()
        sys.stdout.write("recovered\n")


if __name__ == "__main__":
    asyncio.run(main(os.environ["DATABASE_URL"]))
