"""Processes of the service that end themselves, as kill -9 would, after their n-th boundary.

A boundary is a transaction that has committed or a publication: what is persisted before it stays.
The program reads one order a line, and forks a process for it: the imports are made only once.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.agents.tests.support.no_memory import NoEmbedder, NoMemory
from services.agents.tests.support.two_calls import AllowAll, CountedModels, TwoCalls

from msaas.agents.adapters.postgres.stores import build_stores
from msaas.agents.bootstrap import Parts, assemble
from msaas.kernel import RetryPolicy
from msaas.messaging import ConsumerTimings, RedisBroker
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, TRANSACTION_TIMEOUT
from msaas.telemetry import Metrics, configure_logging

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.2,
    reclaim_after=0.6,
    drain_timeout=1.0,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
IDLE_TASKS = frozenset({"wake answered", "check quiet runs", "publish frames", "flags"})
FREE_MESSAGES = (b"JobHeartbeat", b"JobProgressed")


class Boundaries:
    """Counts, and ends the process once the count is reached; 0 is never reached."""

    def __init__(self, last: int, log: Path) -> None:
        self._last = last
        self._log = log
        self._count = 0

    def pass_one(self, name: str) -> None:
        self._count += 1
        if self._count == self._last:
            self._log.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)


class CountingDatabase(Database):
    boundaries: Boundaries

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
        task = asyncio.current_task()
        if task is not None and task.get_name() not in IDLE_TASKS:
            self.boundaries.pass_one("commit")


class CountingBroker(RedisBroker):
    boundaries: Boundaries

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        found = await super().commit(*args, **kwargs)
        if not any(name in repr(args).encode() for name in FREE_MESSAGES):
            self.boundaries.pass_one("publish")
        return found


async def serve(order: dict[str, Any]) -> None:
    configure_logging("agents", "test", level="WARNING")
    boundaries = Boundaries(order["crash"], Path(order["log"]))
    metrics = Metrics("agents", "test")
    broker = CountingBroker(order["redis_url"])
    broker.boundaries = boundaries
    parts = Parts(
        models=CountedModels(Path(order["bill"])),
        embedder=NoEmbedder(),
        memory=NoMemory(),
        workflows=[TwoCalls()],
        policy=AllowAll,
    )
    async with CountingDatabase(PostgresConfig(order["database_url"]), metrics) as database:
        database.boundaries = boundaries
        service = assemble(
            build_stores(database),
            broker,
            order["environment"],
            metrics,
            parts,
            slots=10,
            flag_defaults={"FF_AGENTS_ENABLED": True},
            timings=TIMINGS,
        )
        await service.run(asyncio.Event())


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing is left of a process that has ended
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # logs are no answers
            asyncio.run(serve(json.loads(line)))
            os._exit(0)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
