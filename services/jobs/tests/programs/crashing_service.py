"""The service with a point at which it ends its own process, as kill -9 would."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.bootstrap import assemble, read_keys
from msaas.jobs.entrypoints.topics.commands import TOPIC, CommandsHandler
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import with_process_exit

TIMINGS = ConsumerTimings(block_timeout=0.05)


def begin_crashing(connection: DatabaseConnection) -> PostgresIntake:
    """Begin a transaction that ends the process before its commit."""
    return with_process_exit(PostgresIntake(connection), "store", "after")


async def refuse(_batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
    raise AssertionError("no command is about dead letters")


async def main(redis_url: str, database_url: str, environment: str, crash: str) -> None:
    broker, metrics = RedisBroker(redis_url), Metrics("jobs", environment)
    async with Database(PostgresConfig(database_url), metrics) as database:
        match crash.split("."):
            case ["broker", method, "before" | "after" as when]:
                dying = with_process_exit(broker, method, when)
                opener = read_keys(LOCAL_SEALING_KEY)
                options: Any = {"opener": opener, "dispatch_window": 200, "timings": TIMINGS}
                service = assemble(database, dying, environment, metrics, **options)
                await service.run(asyncio.Event())
            case _:
                await intake_alone(database, broker, environment, metrics)


async def intake_alone(
    database: Database, broker: RedisBroker, environment: str, metrics: Metrics
) -> None:
    messenger = Messenger(broker, "jobs", environment, metrics=metrics, timings=TIMINGS)
    process_commands = ProcessCommands(
        PostgresStore(database, begin_crashing),
        BrokerWorkerQueue(messenger),
        metrics,
        request_dispatch=lambda: None,
    )
    set_pauses = SetPauses(PostgresPauses(database), request_dispatch=lambda: None)
    messenger.consume_batches(TOPIC, CommandsHandler(process_commands, set_pauses, refuse, refuse))
    await messenger.run()


if __name__ == "__main__":
    given = os.environ
    asyncio.run(
        main(given["REDIS_URL"], given["DATABASE_URL"], given["ENVIRONMENT"], given["CRASH"])
    )
