"""LangGraph's checkpoints in Postgres, for the threads of one run, guarded by its fence.

A graph is continued from its last checkpoint, so that only the newest few are kept while it runs.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, cast
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)

from msaas.agents.adapters.postgres import checkpoint_sql as sql
from msaas.agents.adapters.postgres.rows import LOCK_TIMEOUT, dump_json, load_json, lock_run
from msaas.agents.adapters.postgres.state_serializer import StateSerializer
from msaas.agents.domain.runs import StoredRun
from msaas.postgres import Database, DatabaseConnection

KEPT_CHECKPOINTS: Final = 2


class PostgresCheckpoints:
    def __init__(self, database: Database) -> None:
        self._database = database

    def build_saver(
        self, run: StoredRun, fence: UUID, *, keep: int | None = KEPT_CHECKPOINTS
    ) -> "PostgresCheckpointSaver":
        return PostgresCheckpointSaver(self._database, run, fence, keep=keep)


class PostgresCheckpointSaver(BaseCheckpointSaver[str]):
    """The threads of one run; with `keep` None every checkpoint stays."""

    def __init__(
        self, database: Database, run: StoredRun, fence: UUID, *, keep: int | None
    ) -> None:
        super().__init__(serde=StateSerializer())
        self._database = database
        self._owner = (run.run_id, run.user_id)
        self._run_id = run.run_id
        self._fence = fence
        self._keep = keep
        self._random = Random()  # noqa: S311  # tells branches apart, no secret

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002  # langgraph's signature
        """Never give the same version to two values of a channel, in two branches of a graph."""
        last = int(current.split(".")[0]) if isinstance(current, str) else current or 0
        return f"{last + 1:032}.{self._random.random():.16f}"

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql.FIND, *self._criteria(config, newest=True))
            return None if row is None else await self._read(connection, row)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # langgraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        bound = None if before is None else get_checkpoint_id(before)
        values = self._criteria(config, bound, filter, limit)
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.FIND, *values)
            found = [await self._read(connection, row) for row in rows]
        for each in found:
            yield each

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread = _thread(config)
        body: dict[str, Any] = {**checkpoint}
        values: dict[str, Any] = body.pop("channel_values")
        blobs = [
            (*self._owner, *thread, name, str(version), *self._dump_channel(values, name))
            for name, version in new_versions.items()
        ]
        versions = {name: str(v) for name, v in checkpoint["channel_versions"].items()}
        about = dump_json(dict(get_serializable_checkpoint_metadata(config, metadata)))
        ids = (checkpoint["id"], get_checkpoint_id(config))
        row = (*self.serde.dumps_typed(body), dump_json(versions), about)
        async with self._write() as connection:
            await connection.executemany(sql.PUT_BLOB, blobs)
            await connection.execute(sql.PUT, *self._owner, *thread, *ids, *row)
            if self._keep is not None:
                await sql.prune(connection, self._run_id, [thread[0]], keep=self._keep)
        return _config(*thread, checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        place = (*self._owner, *_thread(config), get_checkpoint_id(config), task_id)
        is_special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows = [
            (*place, WRITES_IDX_MAP.get(channel, index), task_path, channel, *self._dump(value))
            for index, (channel, value) in enumerate(writes)
        ]
        async with self._write() as connection:
            statement = sql.REPLACE_WRITE if is_special else sql.PUT_WRITE
            await connection.executemany(statement, rows)

    async def adelete_thread(self, thread_id: str) -> None:
        await self.aprune([thread_id], strategy="delete")

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        async with self._write() as connection:
            await connection.execute(sql.DELETE_INVOCATIONS, self._run_id, list(run_ids))
            await sql.delete_unused(connection, self._run_id, None)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        async with self._write() as connection:
            for statement in sql.COPY_THREAD:
                threads = (source_thread_id, target_thread_id)
                await connection.execute(statement, self._run_id, *threads)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        async with self._write() as connection:
            if strategy == "keep_latest":
                await sql.prune(connection, self._run_id, thread_ids)
                return
            for statement in sql.DELETE_THREADS:
                await connection.execute(statement, self._run_id, list(thread_ids))

    @asynccontextmanager
    async def _write(self) -> AsyncGenerator[DatabaseConnection]:
        """Open a transaction in which this worker holds the run, or raise StaleRun."""
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            await lock_run(connection, self._run_id, self._fence)
            yield connection

    def _criteria(
        self,
        config: RunnableConfig | None,
        before: str | None = None,
        filter_by: dict[str, Any] | None = None,
        limit: int | None = None,
        *,
        newest: bool = False,
    ) -> tuple[Any, ...]:
        given: dict[str, Any] = config.get("configurable", {}) if config else {}
        namespace = given.get("checkpoint_ns", "" if newest else None)
        where = (given.get("thread_id"), namespace, given.get("checkpoint_id") or None)
        return (self._run_id, *where, before, dump_json(filter_by or {}), 1 if newest else limit)

    async def _read(self, connection: DatabaseConnection, row: Any) -> CheckpointTuple:
        place = (row["thread_id"], row["checkpoint_ns"])
        found = (self._run_id, *place, row["checkpoint_id"])
        blobs = await connection.fetch(sql.LIST_BLOBS, *found)
        writes = await connection.fetch(sql.LIST_WRITES, *found)
        values = {blob["channel"]: self._load(blob) for blob in blobs}
        parent = row["parent_id"]
        return CheckpointTuple(
            config=_config(*place, row["checkpoint_id"]),
            checkpoint=cast("Checkpoint", {**self._load(row), "channel_values": values}),
            metadata=load_json(row["metadata"]),
            parent_config=_config(*place, parent) if parent else None,
            pending_writes=[(w["task_id"], w["channel"], self._load(w)) for w in writes],
        )

    def _dump_channel(self, values: dict[str, Any], name: str) -> tuple[str, bytes]:
        return self._dump(values[name]) if name in values else ("empty", b"")

    def _dump(self, value: Any) -> tuple[str, bytes]:
        return self.serde.dumps_typed(value)

    def _load(self, row: Any) -> Any:
        return self.serde.loads_typed((row["kind"], row["body"]))


def _thread(config: RunnableConfig) -> tuple[str, str]:
    given = config.get("configurable", {})
    return str(given["thread_id"]), str(given.get("checkpoint_ns", ""))


def _config(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    place = {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}
    return {"configurable": place}
