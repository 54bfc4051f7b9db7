"""Looks for marks of cancelled jobs together: who asks during one look is answered by the next."""

import asyncio
from uuid import UUID

from msaas.messaging import Messenger


class CancelMarks:
    """Many runs begin at once, and each has to look: one round trip of the wire serves them all."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._turn = asyncio.Lock()
        self._next: tuple[set[UUID], asyncio.Task[frozenset[UUID]]] | None = None

    async def __call__(self, job_id: UUID) -> bool:
        """Answer by a look that began after this was asked."""
        if self._next is None:
            asked: set[UUID] = set()
            self._next = (asked, asyncio.create_task(self._look(asked), name="cancel-marks"))
            self._next[1].add_done_callback(_heard)
        asked, look = self._next
        asked.add(job_id)
        return job_id in await asyncio.shield(look)  # others wait for it too

    async def _look(self, asked: set[UUID]) -> frozenset[UUID]:
        async with self._turn:
            self._next = None
            return await self._messenger.find_cancelled(asked)


def _heard(look: asyncio.Task[frozenset[UUID]]) -> None:
    """Take note of a failure for which nobody waits any more."""
    if not look.cancelled():
        look.exception()
