"""The list intake: producers that know nothing of streams push envelopes, and we move them on."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from msaas.contracts import INTAKE_QUEUE, PushedJob, build_headers, get_topic, queue_key
from msaas.kernel import Clock, MsaasError, RetryPolicy, new_id
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
PERIOD: Final = 0.25
BATCH_SIZE: Final = 100
_WHEN_FAILED: Final = RetryPolicy(base=0.25, cap=5.0, attempts=None)


class Mover(Protocol):
    async def move(
        self, list_key: str, stream_key: str, headers: Sequence[Mapping[bytes, bytes]], bound: int
    ) -> int: ...


class IntakeListConsumer:
    """Looks now and then, and at once again while there is more; any number of replicas may."""

    def __init__(
        self, mover: Mover, environment: str, clock: Clock, *, period: float = PERIOD
    ) -> None:
        topic = get_topic(TOPIC)
        self._mover = mover
        self._queue, self._key = queue_key(environment, INTAKE_QUEUE), topic.key(environment)
        self._bound = topic.bound or 0
        self._clock = clock
        self._period = period
        self._log = get_logger()
        self._stopping = asyncio.Event()
        self._failures = 0

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._step()):
                    await self._stopping.wait()

    async def _step(self) -> float:
        """Move what there is; answer how long to rest."""
        try:
            moved = await self._mover.move(self._queue, self._key, self._heads(), self._bound)
        except MsaasError as error:
            self._failures += 1
            self._log.warning(
                "pushed_jobs_move_failed", error=type(error).__name__, failures=self._failures
            )
            return _WHEN_FAILED.delay(self._failures)
        self._failures = 0
        if moved:
            self._log.info("pushed_jobs_moved", count=moved)
        return 0 if moved == BATCH_SIZE else self._period

    def _heads(self) -> list[dict[bytes, bytes]]:
        """Give each its id here: what is pushed carries none of ours."""
        now = self._clock.now()
        ids = [new_id() for _ in range(BATCH_SIZE)]
        return [build_headers(PushedJob, id=one, correlation_id=str(one), ts=now) for one in ids]
