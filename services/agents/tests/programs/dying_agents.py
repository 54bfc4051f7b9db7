"""Processes of the service that end themselves, as kill -9 would, after a boundary of their run.

A boundary is what the run itself has persisted: a change of a store that is committed, or a message
that is published, but no frame and no heartbeat. It is named by the method that made it, or by its
message, and by how often that has happened; so its name does not depend on what else goes on.
The program reads one order a line, and forks a process for it: the imports are made only once.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from inspect import currentframe
from pathlib import Path
from typing import Any

from services.agents.tests.support.no_memory import NoEmbedder, NoMemory
from services.agents.tests.support.two_calls import AllowAll, CountedModels, TwoCalls

from msaas.agents.bootstrap import Parts, assemble
from msaas.contracts import get_topic
from msaas.kernel import RetryPolicy
from msaas.messaging import ConsumerTimings, RedisBroker
from msaas.postgres import Database, DatabaseConnection, PostgresConfig
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, TRANSACTION_TIMEOUT
from msaas.streams import CommitResult, StreamConsumer, Write
from msaas.telemetry import Metrics, configure_logging

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.2,
    reclaim_after=0.6,
    drain_timeout=1.0,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
STORES = str(Path("agents", "adapters", "postgres"))
FRAMES = "PostgresFrames."
FREE_MESSAGES = frozenset({"JobHeartbeat", "JobProgressed"})
REPEATED_MESSAGES = frozenset({"WakeJob"})  # a timer may wake the run again


class Boundaries:
    """Notes each boundary in a file, and ends the process after the one of that name."""

    def __init__(self, last: str | None, log: Path) -> None:
        self._last = last
        self._log = log
        self._counts = Counter[str]()

    def pass_one(self, kind: str) -> None:
        self._counts[kind] += 1
        if kind in REPEATED_MESSAGES and self._counts[kind] > 1:
            return
        name = f"{kind} {self._counts[kind]}"
        with self._log.open("a") as log:
            log.write(f"{name}\n")
        if name == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def pass_commit(self) -> None:
        if (method := find_method()) and not method.startswith(FRAMES):
            self.pass_one(method)


def find_method() -> str | None:
    """Name the public method of a store that is being run."""
    frame = currentframe()
    while frame is not None:
        code = frame.f_code
        if STORES in code.co_filename and not code.co_name.startswith("_"):
            return code.co_qualname
        frame = frame.f_back
    return None


class CountingConnection(DatabaseConnection):
    """Outside of a transaction each statement that writes is committed on its own."""

    __slots__ = ("_boundaries",)

    def __init__(self, connection: DatabaseConnection, boundaries: Boundaries) -> None:
        super().__init__(connection.raw, lambda _sql, _seconds: None)
        self._boundaries = boundaries

    async def execute(self, sql: str, *values: object) -> str:
        done = await super().execute(sql, *values)
        self._boundaries.pass_commit()
        return done


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
        self.boundaries.pass_commit()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[DatabaseConnection]:
        async with super().connection() as connection:
            yield CountingConnection(connection, self.boundaries)


class CountingBroker(RedisBroker):
    boundaries: Boundaries
    frames: str

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        found = await super().commit(writes, consumer, acked_ids)
        for write in writes:
            message = write.fields[b"type"].decode()
            if write.key != self.frames and message not in FREE_MESSAGES:
                self.boundaries.pass_one(message)
        return found


async def serve(order: dict[str, Any]) -> None:
    configure_logging("agents", "test", level="WARNING")
    boundaries = Boundaries(order["crash"], Path(order["log"]))
    metrics = Metrics("agents", "test")
    broker = CountingBroker(order["redis_url"])
    broker.boundaries = boundaries
    broker.frames = get_topic("agents.events").key(order["environment"])
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
            database,
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
