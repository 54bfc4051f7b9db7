"""The intake list: envelopes that producers push onto a list are moved to jobs.commands."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msaas.contracts import INTAKE_QUEUE, PushedJob, build_headers, get_topic, queue_key
from msaas.kernel import Clock, RetryPolicy, Wait, new_id
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
PERIOD: Final = 0.25
BACKOFF: Final = RetryPolicy(base=0.25, cap=5.0, attempts=None)
BATCH_SIZE: Final = 100


class Mover(Protocol):
    async def move(
        self, list_key: str, stream_key: str, headers: Sequence[Mapping[bytes, bytes]], bound: int
    ) -> int: ...


class MoveIntakeTask:
    """Moves a batch of envelopes; several replicas may do so at once."""

    def __init__(self, mover: Mover, environment: str, clock: Clock) -> None:
        topic = get_topic(TOPIC)
        self._mover = mover
        self._queue, self._key = queue_key(environment, INTAKE_QUEUE), topic.key(environment)
        self._bound = topic.bound or 0
        self._clock = clock
        self._log = get_logger()

    async def __call__(self) -> Wait | None:
        moved = await self._mover.move(self._queue, self._key, self._build_headers(), self._bound)
        if moved:
            self._log.info("pushed_jobs_moved", count=moved)
        return Wait(0.0) if moved == BATCH_SIZE else None

    def _build_headers(self) -> list[dict[bytes, bytes]]:
        """Assign the ids here: pushed envelopes have no headers."""
        now = self._clock.now()
        ids = [new_id() for _ in range(BATCH_SIZE)]
        return [build_headers(PushedJob, id=id_, correlation_id=str(id_), ts=now) for id_ in ids]
