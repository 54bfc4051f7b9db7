"""Runs in Postgres: the row's lock orders everything that happens to a run."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from msaas.agents.adapters.postgres.checkpoint_sql import prune
from msaas.agents.adapters.postgres.frames import put_run_frame
from msaas.agents.adapters.postgres.ledger import LOSE
from msaas.agents.adapters.postgres.rows import (
    LOCK_TIMEOUT,
    RUN_COLUMNS,
    dump_json,
    find_locked,
    lock_run,
    read_run,
)
from msaas.agents.domain.errors import RunNotFound
from msaas.agents.domain.runs import Ending, NewRun, StoredRun
from msaas.postgres import Database

_INSERT: Final = """
INSERT INTO agents.runs (
  id, user_id, workflow_type, plan, title, params, fence, graph_fingerprint, max_steps, max_tokens,
  max_cost_micro_usd, max_seconds, deadline_at
) VALUES (
  $1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12,
  clock_timestamp() + make_interval(secs => $12::integer)
) ON CONFLICT (id) DO NOTHING
"""
_FIND: Final = f"SELECT {RUN_COLUMNS} FROM agents.runs WHERE id = $1"  # noqa: S608  # fixed names
_TAKE: Final = f"""
UPDATE agents.runs SET
  state = 'running', fence = $2, paused_at = NULL,
  deadline_at = deadline_at + coalesce(clock_timestamp() - paused_at, interval '0')
WHERE id = $1 RETURNING {RUN_COLUMNS}
"""  # noqa: S608  # fixed names
_SUSPEND: Final = f"""
UPDATE agents.runs SET
  state = 'waiting', paused_at = CASE WHEN $2 THEN clock_timestamp() END
WHERE id = $1 RETURNING {RUN_COLUMNS}
"""  # noqa: S608  # fixed names
_FINISH: Final = f"""
UPDATE agents.runs SET
  state = $2, answer = $3::jsonb, partial_reason = $4, failure_reason = $5, paused_at = NULL,
  finished_at = clock_timestamp()
WHERE id = $1 RETURNING {RUN_COLUMNS}
"""  # noqa: S608  # fixed names
_EXPIRE: Final = """
UPDATE agents.approvals SET state = 'expired', decided_at = clock_timestamp()
WHERE run_id = $1 AND state = 'open'
"""
_LIST_OPEN: Final = f"""
SELECT {RUN_COLUMNS} FROM agents.runs WHERE finished_at IS NULL AND id > $1 ORDER BY id LIMIT $2
"""  # noqa: S608  # fixed names


class PostgresRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, new: NewRun, fence: UUID) -> StoredRun:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            try:
                await connection.execute(_INSERT, *_row(new, fence))
            except asyncpg.ForeignKeyViolationError:
                raise RunNotFound from None
            locked = await find_locked(connection, new.run_id)
            if locked is None or locked.user_id != new.user_id:
                raise RunNotFound
            if locked.head.take(fence).has_ended:
                return read_run(await connection.fetchrow(_FIND, new.run_id))
            run = read_run(await connection.fetchrow(_TAKE, new.run_id, fence))
            await put_run_frame(connection, run)
        return run

    async def suspend(self, run_id: UUID, fence: UUID, *, for_person: bool = False) -> StoredRun:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            locked = await lock_run(connection, run_id, fence)
            locked.head.suspend(fence)
            run = read_run(await connection.fetchrow(_SUSPEND, run_id, for_person))
            await put_run_frame(connection, run)
        return run

    async def finish(self, run_id: UUID, fence: UUID | None, ending: Ending) -> StoredRun:
        answer = None if ending.answer is None else dump_json(ending.answer)
        reasons = (ending.partial_reason, ending.failure_reason)
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            locked = await find_locked(connection, run_id)
            if locked is None:
                raise RunNotFound
            state = locked.head.end(fence, ending.state).state
            await connection.execute(LOSE, run_id, None, 0)
            await connection.execute(_EXPIRE, run_id)
            await prune(connection, run_id)
            run = read_run(await connection.fetchrow(_FINISH, run_id, state, answer, *reasons))
            await put_run_frame(connection, run)
        return run

    async def find(self, run_id: UUID) -> StoredRun | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, run_id)
        return read_run(row) if row else None

    async def list_open(self, after: UUID | None, limit: int) -> Sequence[StoredRun]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_OPEN, after or UUID(int=0), limit)
        return [read_run(row) for row in rows]


def _row(new: NewRun, fence: UUID) -> tuple[Any, ...]:
    ceilings = new.ceilings
    return (
        new.run_id,
        new.user_id,
        new.workflow_type,
        new.plan,
        new.title,
        dump_json(new.params),
        fence,
        new.graph_fingerprint,
        ceilings.steps,
        ceilings.tokens,
        ceilings.cost_micro_usd,
        ceilings.seconds,
    )
