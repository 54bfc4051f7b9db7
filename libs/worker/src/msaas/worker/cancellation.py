"""Looks for marks of cancelled jobs together: who asks during one look is answered by the next."""

import asyncio
from uuid import UUID

from msaas.messaging import Messenger


class CancellationChecker:
    """Many runs begin at once, and each has to look: one round trip of the wire serves them all."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._lock = asyncio.Lock()
        self._next_batch: tuple[set[UUID], asyncio.Task[frozenset[UUID]]] | None = None

    async def __call__(self, job_id: UUID) -> bool:
        """Answer by a look that began after this was asked."""
        if self._next_batch is None:
            job_ids: set[UUID] = set()
            self._next_batch = (
                job_ids,
                asyncio.create_task(self._find_cancelled(job_ids), name="cancellation-check"),
            )
            self._next_batch[1].add_done_callback(_consume_exception)
        job_ids, batch = self._next_batch
        job_ids.add(job_id)
        return job_id in await asyncio.shield(batch)  # others wait for it too

    async def _find_cancelled(self, job_ids: set[UUID]) -> frozenset[UUID]:
        async with self._lock:
            self._next_batch = None
            return await self._messenger.find_cancelled(job_ids)


def _consume_exception(task: asyncio.Task[frozenset[UUID]]) -> None:
    """Take note of a failure for which nobody waits any more."""
    if not task.cancelled():
        task.exception()
