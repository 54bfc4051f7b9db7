"""The service with a point in the handling of a result at which its process ends or stops."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from msaas.jobs import bootstrap
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.messaging import ConsumerTimings, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.streams import RawEntry, StreamConsumer
from msaas.telemetry import Metrics
from msaas.testing import with_process_exit

CRASH = os.environ["CRASH"]


class CrashingStore(PostgresStore[Any]):
    """Ends the process before or after a transaction of results commits."""

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Any]:
        async with super().begin() as transaction:
            yield transaction
            if isinstance(transaction, PostgresResults) and CRASH == "before commit":
                os._exit(137)
        if isinstance(transaction, PostgresResults) and CRASH == "after commit":
            os._exit(137)


class InterruptedBroker(RedisBroker):
    """Ends or stops the process when it has read a success and has done nothing about it."""

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        found = await super().read(consumer, count, block)
        if any(b"JobSucceeded" in raw.fields.values() for raw in found):
            if CRASH == "stop after read":
                os.kill(os.getpid(), signal.SIGSTOP)
            if CRASH == "after read":
                os._exit(137)
        return found


async def main(redis_url: str, database_url: str, environment: str) -> None:
    broker, metrics = InterruptedBroker(redis_url), Metrics("jobs", environment)
    if CRASH == "after publish":
        broker = with_process_exit(broker, "commit", "after")
    cast("Any", bootstrap).PostgresStore = CrashingStore
    async with Database(PostgresConfig(database_url), metrics) as database:
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
    asyncio.run(main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"]))
