"""Commits that batch themselves: whatever is asked for during one round trip goes into the next."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msaas.kernel import Clock, MsaasError
from msaas.streams.wire import Source, Wire, Write

MOST_PER_COMMIT = 500
DEPTH_TRUSTED_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    writes: Sequence[Write]
    source: Source | None
    done: Sequence[str]
    answer: asyncio.Future[Sequence[str]]


class GroupCommit:
    """Each caller's part stays atomic, and all share one transaction with the wire."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock
        self._depths: dict[str, tuple[int, float]] = {}
        self._waiting: list[_Part] = []
        self._flushing: asyncio.Task[None] | None = None

    @property
    def backlog(self) -> int:
        return len(self._waiting)

    async def commit(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Sequence[str]:
        """Answer with the ids of these writes once they are on the wire."""
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Part(writes, source, done, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="group-commit")
        return await answer

    async def depth(self, key: str, bound: int) -> int:
        """Recall the depth that our own writes reported; only a full stream is asked again."""
        depth, seen_at = self._depths.get(key, (0, 0.0))
        if depth >= bound and self._clock.monotonic() - seen_at > DEPTH_TRUSTED_SECONDS:
            depth = await self._wire.depth(key)
            self._depths[key] = (depth, self._clock.monotonic())
        return depth

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing})  # whose end does not depend on who waits for it

    async def _flush(self) -> None:
        try:
            while parts := self._take():
                await self._commit(parts)
        finally:
            self._flushing = None
            while self._waiting:  # only where the flush itself was ended
                self._waiting.pop().answer.cancel()

    def _take(self) -> list[_Part]:
        """Take from the front as many as one transaction holds: one source, a bounded size."""
        taken: list[_Part] = []
        size, source = 0, None
        while self._waiting and size < MOST_PER_COMMIT:
            part = self._waiting[0]
            if part.source and source and part.source != source:
                break
            source = source or part.source
            taken.append(self._waiting.pop(0))
            size += len(part.writes) + 1
        return taken

    async def _commit(self, parts: Sequence[_Part]) -> None:
        source = next((part.source for part in parts if part.source), None)
        done = [entry_id for part in parts for entry_id in part.done]
        try:
            whole = await self._wire.commit([w for p in parts for w in p.writes], source, done)
        except BaseException as error:  # whatever it is, no caller waits for ever
            await self._fail(parts, error)
            if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                raise
            return
        seen_at = self._clock.monotonic()
        self._depths |= {key: (depth, seen_at) for key, depth in whole.depths.items()}
        place = 0
        for part in parts:
            ids = whole.entry_ids[place : place + len(part.writes)]
            place += len(part.writes)
            if not part.answer.done():
                part.answer.set_result(ids)

    async def _fail(self, parts: Sequence[_Part], error: BaseException) -> None:
        """Where the wire refused rather than fell silent, let each part fail on its own account."""
        try:
            if len(parts) > 1 and isinstance(error, MsaasError) and "reply" in error.context:
                for part in parts:
                    await self._commit([part])
        finally:
            for part in parts:
                if not part.answer.done():
                    part.answer.set_exception(error)
