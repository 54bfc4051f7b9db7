"""Stores a row for each submitted job and publishes its usage; a test kills or crashes it."""

import asyncio
import os
import signal
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from msaas.contracts import SubmitJob
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import build_usage_recorded, with_process_exit


class JobDatabase:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def persist(self, jobs: Sequence[UUID]) -> list[tuple[int, UUID]]:
        rows = await self._connection.fetch("select seq, job_id from persist($1)", jobs)
        return [(row["seq"], row["job_id"]) for row in rows]


async def main(redis_url: str, database_url: str, environment: str, crash: str) -> None:
    connection = await asyncpg.connect(database_url)
    broker, database = RedisBroker(redis_url), JobDatabase(connection)
    crashing_broker, crashing_database = broker, database
    match crash.split("."):
        case ["broker", method, "before" | "after" as when]:
            crashing_broker = with_process_exit(broker, method, when)
        case ["record", method, "before" | "after" as when]:
            crashing_database = with_process_exit(database, method, when)
        case _:
            pass

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        causes = {d.message.job_id: d for d in batch if isinstance(d.message, SubmitJob)}
        return [
            causes[job_id].emit("usage.events", build_usage_recorded(seq=seq, job_id=job_id))
            for seq, job_id in await crashing_database.persist(list(causes))
        ]

    messenger = Messenger(
        crashing_broker,
        "jobs",
        environment,
        metrics=Metrics("jobs", environment),
        timings=ConsumerTimings(block_timeout=0.05),
    )
    messenger.consume_batches("jobs.commands", handle, max_size=10)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, messenger.drain)
    await messenger.run()
    await broker.close()
    await connection.close()


if __name__ == "__main__":
    given = os.environ
    asyncio.run(
        main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"], given["CRASH"])
    )
