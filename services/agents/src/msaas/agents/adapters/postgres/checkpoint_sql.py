"""The statements of the checkpointer; each is about the threads of one run."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msaas.postgres import DatabaseConnection

PUT: Final = """
INSERT INTO agents.checkpoints (
  run_id, user_id, thread_id, checkpoint_ns, checkpoint_id, parent_id, kind, body,
  channel_versions, metadata
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb)
ON CONFLICT (run_id, thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET
  parent_id = excluded.parent_id, kind = excluded.kind, body = excluded.body,
  channel_versions = excluded.channel_versions, metadata = excluded.metadata
"""
PUT_BLOB: Final = """
INSERT INTO agents.checkpoint_blobs (
  run_id, user_id, thread_id, checkpoint_ns, channel, channel_version, kind, body
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""
_WRITE: Final = """
INSERT INTO agents.checkpoint_writes AS w (
  run_id, user_id, thread_id, checkpoint_ns, checkpoint_id, task_id, write_index, task_path,
  channel, kind, body
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (run_id, thread_id, checkpoint_ns, checkpoint_id, task_id, write_index)
"""
# A write is stored once; an error or an interrupt replaces the one before.
PUT_WRITE: Final = f"{_WRITE} DO NOTHING"
REPLACE_WRITE: Final = f"""{_WRITE} DO UPDATE SET
  task_path = excluded.task_path, channel = excluded.channel, kind = excluded.kind,
  body = excluded.body
"""
FIND: Final = """
SELECT thread_id, checkpoint_ns, checkpoint_id, parent_id, kind, body,
  metadata::text AS metadata
FROM agents.checkpoints
WHERE run_id = $1 AND ($2::text IS NULL OR thread_id = $2)
  AND ($3::text IS NULL OR checkpoint_ns = $3) AND ($4::text IS NULL OR checkpoint_id = $4)
  AND ($5::text IS NULL OR checkpoint_id < $5) AND metadata @> $6::jsonb
ORDER BY checkpoint_id DESC LIMIT $7
"""
LIST_BLOBS: Final = """
SELECT b.channel, b.kind, b.body
FROM agents.checkpoints c, jsonb_each_text(c.channel_versions) v (channel, version)
JOIN agents.checkpoint_blobs b ON b.channel = v.channel AND b.channel_version = v.version
WHERE c.run_id = $1 AND c.thread_id = $2 AND c.checkpoint_ns = $3 AND c.checkpoint_id = $4
  AND b.run_id = $1 AND b.thread_id = $2 AND b.checkpoint_ns = $3 AND b.kind <> 'empty'
"""
LIST_WRITES: Final = """
SELECT task_id, channel, kind, body FROM agents.checkpoint_writes
WHERE run_id = $1 AND thread_id = $2 AND checkpoint_ns = $3 AND checkpoint_id = $4
ORDER BY task_path COLLATE "C", task_id COLLATE "C", write_index
"""

_TABLES: Final = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
DELETE_THREADS: Final = tuple(
    f"DELETE FROM agents.{table} WHERE run_id = $1 AND thread_id = ANY($2::text[])"  # noqa: S608  # fixed names
    for table in _TABLES
)
_COLUMNS: Final = {
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_id, kind, body, channel_versions,"
    " metadata, created_at",
    "checkpoint_blobs": "checkpoint_ns, channel, channel_version, kind, body",
    "checkpoint_writes": "checkpoint_ns, checkpoint_id, task_id, write_index, task_path, channel,"
    " kind, body",
}
COPY_THREAD: Final = tuple(
    f"INSERT INTO agents.{table} (run_id, user_id, thread_id, {columns})"  # noqa: S608  # fixed names
    f" SELECT run_id, user_id, $3, {columns} FROM agents.{table}"
    " WHERE run_id = $1 AND thread_id = $2"
    for table, columns in _COLUMNS.items()
)
# langgraph calls each invocation of a graph a run; here that is a part of a run.
DELETE_INVOCATIONS: Final = """
DELETE FROM agents.checkpoints WHERE run_id = $1 AND metadata ->> 'run_id' = ANY($2::text[])
"""
_DELETE_OLD: Final = """
DELETE FROM agents.checkpoints c
WHERE run_id = $1 AND ($2::text[] IS NULL OR thread_id = ANY($2)) AND checkpoint_id < (
  SELECT n.checkpoint_id FROM agents.checkpoints n
  WHERE n.run_id = c.run_id AND n.thread_id = c.thread_id AND n.checkpoint_ns = c.checkpoint_ns
  ORDER BY n.checkpoint_id DESC OFFSET $3 LIMIT 1
)
"""
_DELETE_WRITES: Final = """
DELETE FROM agents.checkpoint_writes w
WHERE run_id = $1 AND ($2::text[] IS NULL OR thread_id = ANY($2)) AND NOT EXISTS (
  SELECT FROM agents.checkpoints c
  WHERE c.run_id = w.run_id AND c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
    AND c.checkpoint_id = w.checkpoint_id
)
"""
_DELETE_BLOBS: Final = """
DELETE FROM agents.checkpoint_blobs b
WHERE run_id = $1 AND ($2::text[] IS NULL OR thread_id = ANY($2)) AND NOT EXISTS (
  SELECT FROM agents.checkpoints c
  WHERE c.run_id = b.run_id AND c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
    AND c.channel_versions ->> b.channel = b.channel_version
)
"""


async def prune(
    connection: DatabaseConnection,
    run_id: UUID,
    threads: Sequence[str] | None = None,
    *,
    keep: int = 1,
) -> None:
    """Keep the newest checkpoints of each namespace, and what they are made of."""
    names = None if threads is None else list(threads)
    await connection.execute(_DELETE_OLD, run_id, names, keep - 1)
    await delete_unused(connection, run_id, names)


async def delete_unused(
    connection: DatabaseConnection, run_id: UUID, threads: list[str] | None
) -> None:
    await connection.execute(_DELETE_WRITES, run_id, threads)
    await connection.execute(_DELETE_BLOBS, run_id, threads)
