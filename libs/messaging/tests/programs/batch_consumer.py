"""Keeps a row for each submitted job and publishes its usage; a test kills it, or has it die."""

import asyncio
import os
import signal
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from msaas.contracts import SubmitJob
from msaas.messaging import Delivery, Messenger, Outgoing, Pace, RedisWire
from msaas.telemetry import Metrics
from msaas.testing import build_usage_recorded, ends_process


class Record:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def persist(self, jobs: Sequence[UUID]) -> list[tuple[int, UUID]]:
        rows = await self._connection.fetch("select seq, job_id from persist($1)", jobs)
        return [(row["seq"], row["job_id"]) for row in rows]


async def main(redis_url: str, database_url: str, environment: str, crash: str) -> None:
    connection = await asyncpg.connect(database_url)
    wire, record = RedisWire(redis_url), Record(connection)
    dying_wire, dying_record = wire, record
    match crash.split("."):
        case ["wire", method, "before" | "after" as when]:
            dying_wire = ends_process(wire, method, when)
        case ["record", method, "before" | "after" as when]:
            dying_record = ends_process(record, method, when)
        case _:
            pass

    async def handle(batch: Sequence[Delivery]) -> list[Outgoing]:
        causes = {d.message.job_id: d for d in batch if isinstance(d.message, SubmitJob)}
        return [
            causes[job_id].emit("usage.events", build_usage_recorded(seq=seq, job_id=job_id))
            for seq, job_id in await dying_record.persist(list(causes))
        ]

    messenger = Messenger(
        dying_wire,
        "jobs",
        environment,
        metrics=Metrics("jobs", environment),
        produces=["usage.events"],
        pace=Pace(block=0.05),
    )
    messenger.batch("jobs.commands", handle, count=10)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, messenger.drain)
    await messenger.run()
    await wire.close()
    await connection.close()


if __name__ == "__main__":
    given = os.environ
    asyncio.run(
        main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"], given["CRASH"])
    )
