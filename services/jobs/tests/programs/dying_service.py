"""The service with a point at which it ends its own process, as kill -9 would."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.workers import WireToWorkers
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.settle_commands import SettleCommands
from msaas.jobs.bootstrap import PRODUCES, assemble, read_keys
from msaas.jobs.entrypoints.topics.commands import TOPIC, CommandsHandler
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.messaging import Messenger, Pace, RedisWire
from msaas.postgres import Database, PostgresSetting
from msaas.telemetry import Metrics
from msaas.testing import ends_process

PACE = Pace(block=0.05)


class DyingIntake(PostgresIntake):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        async with super().transaction() as transaction:
            yield ends_process(transaction, "store", "after")


async def main(redis_url: str, database_url: str, environment: str, crash: str) -> None:
    wire, metrics = RedisWire(redis_url), Metrics("jobs", environment)
    async with Database(PostgresSetting(database_url), metrics) as database:
        match crash.split("."):
            case ["wire", method, "before" | "after" as when]:
                dying = ends_process(wire, method, when)
                opener = read_keys(LOCAL_SEALING_KEY)
                options: Any = {"opener": opener, "dispatch_window": 200, "pace": PACE}
                service = assemble(database, dying, environment, metrics, **options)
                await service.run(asyncio.Event())
            case _:
                await intake_alone(database, wire, environment, metrics)


async def intake_alone(
    database: Database, wire: RedisWire, environment: str, metrics: Metrics
) -> None:
    messenger = Messenger(wire, "jobs", environment, metrics=metrics, produces=PRODUCES, pace=PACE)
    settle = SettleCommands(
        DyingIntake(database), WireToWorkers(messenger), metrics, on_room=lambda: None
    )
    set_pauses = SetPauses(PostgresPauses(database), on_room=lambda: None)
    messenger.batch(TOPIC, CommandsHandler(settle, set_pauses))
    await messenger.run()


if __name__ == "__main__":
    given = os.environ
    asyncio.run(
        main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"], given["CRASH"])
    )
