"""Looks up the markers of cancelled jobs, for many jobs in one round trip."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from msaas.contracts import cancel_key
from msaas.messaging import Messenger


async def find_cancelled(messenger: Messenger, job_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return the jobs whose owner has marked them as cancelled."""
    environment, broker = messenger.context.environment, messenger.context.broker
    keys = {cancel_key(environment, job_id): job_id for job_id in job_ids}
    return frozenset(keys[key] for key in await broker.find_markers(list(keys)))


class CancellationChecker:
    """Answers the calls of many starting runs with one round trip to Redis."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._lock = asyncio.Lock()
        self._next_batch: tuple[set[UUID], asyncio.Task[frozenset[UUID]]] | None = None

    async def __call__(self, job_id: UUID) -> bool:
        """Answer from a lookup that began after this call."""
        if self._next_batch is None:
            job_ids: set[UUID] = set()
            self._next_batch = (
                job_ids,
                asyncio.create_task(self._find_cancelled(job_ids), name="cancellation-check"),
            )
            self._next_batch[1].add_done_callback(_consume_exception)
        job_ids, batch = self._next_batch
        job_ids.add(job_id)
        return job_id in await asyncio.shield(batch)  # other runs wait for it too

    async def _find_cancelled(self, job_ids: set[UUID]) -> frozenset[UUID]:
        async with self._lock:
            self._next_batch = None
            return await find_cancelled(self._messenger, job_ids)


def _consume_exception(task: asyncio.Task[frozenset[UUID]]) -> None:
    """Retrieve the error of a lookup whose callers were all cancelled."""
    if not task.cancelled():
        task.exception()
