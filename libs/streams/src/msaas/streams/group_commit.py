"""Batches commits: all that are requested during one round trip go into the next transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msaas.kernel import Clock, MsaasError
from msaas.streams.broker import Broker, StreamConsumer, Write
from msaas.streams.errors import EntryIdRefused

MAX_COMMIT_SIZE = 500
MAX_COMMIT_BYTES = 1_000_000
DEPTH_TTL_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _PendingCommit:
    writes: Sequence[Write]
    consumer: StreamConsumer | None
    acked_ids: Sequence[str]
    future: asyncio.Future[Sequence[str]]


class GroupCommit:
    """Callers share one transaction with Redis; the part of each stays atomic."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._depths: dict[str, tuple[int, float]] = {}
        self._pending: list[_PendingCommit] = []
        self._flush_task: asyncio.Task[None] | None = None

    @property
    def backlog(self) -> int:
        return len(self._pending)

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> Sequence[str]:
        """Return the ids of these writes once Redis has them."""
        future: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingCommit(writes, consumer, acked_ids, future))
        if self._flush_task is None:
            self._flush_task = asyncio.create_task(self._flush(), name="group-commit")
        return await future

    async def depth(self, key: str, bound: int) -> int:
        """Return the depth that the last write reported; only a full stream is measured again."""
        depth, seen_at = self._depths.get(key, (0, 0.0))
        if depth >= bound and self._clock.monotonic() - seen_at > DEPTH_TTL_SECONDS:
            depth = await self._broker.depth(key)
            self._depths[key] = (depth, self._clock.monotonic())
        return depth

    async def close(self) -> None:
        """Wait for the commit in progress."""
        if self._flush_task is not None:
            await asyncio.wait({self._flush_task})  # a cancelled caller does not cancel it

    async def _flush(self) -> None:
        try:
            while batch := self._next_batch():
                await self._commit(batch)
        finally:
            self._flush_task = None
            while self._pending:  # only when the flush was cancelled
                self._pending.pop().future.cancel()

    def _next_batch(self) -> list[_PendingCommit]:
        """Take the oldest commits that fit into one transaction: one consumer, a bounded size."""
        batch: list[_PendingCommit] = []
        size, volume, consumer = 0, 0, None
        while self._pending and size < MAX_COMMIT_SIZE and volume < MAX_COMMIT_BYTES:
            commit = self._pending[0]
            if commit.consumer and consumer and commit.consumer != consumer:
                break
            consumer = consumer or commit.consumer
            batch.append(self._pending.pop(0))
            size += len(commit.writes) + 1
            volume += sum(write.size for write in commit.writes)
        return batch

    async def _commit(self, batch: Sequence[_PendingCommit]) -> None:
        consumer = next((part.consumer for part in batch if part.consumer), None)
        acked_ids = [entry_id for part in batch for entry_id in part.acked_ids]
        try:
            result = await self._broker.commit(
                [w for p in batch for w in p.writes], consumer, acked_ids
            )
        except BaseException as error:  # no caller may wait for ever
            await self._fail(batch, error)
            if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                raise
            return
        seen_at = self._clock.monotonic()
        self._depths |= {key: (depth, seen_at) for key, depth in result.depths.items()}
        offset = 0
        for part in batch:
            ids = result.entry_ids[offset : offset + len(part.writes)]
            offset += len(part.writes)
            if part.future.done():
                continue
            if all(ids):
                part.future.set_result(ids)
            else:
                part.future.set_exception(EntryIdRefused(keys=[write.key for write in part.writes]))

    async def _fail(self, batch: Sequence[_PendingCommit], error: BaseException) -> None:
        """Retry each part alone where Redis refused the batch; fail all where it did not answer."""
        try:
            if len(batch) > 1 and isinstance(error, MsaasError) and "reply" in error.context:
                for part in batch:
                    await self._commit([part])
        finally:
            for part in batch:
                if not part.future.done():
                    part.future.set_exception(error)
