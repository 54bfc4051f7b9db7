"""Steps of runs in Postgres: each key has one number, and each change leaves a frame."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msaas.agents.adapters.postgres.frames import put_run_frame, put_step_frame
from msaas.agents.adapters.postgres.ledger import reached_ceilings
from msaas.agents.adapters.postgres.rows import LOCK_TIMEOUT, RUN_COLUMNS, lock_run, read_run
from msaas.agents.domain.effects import StepRecord
from msaas.contracts import RunStep, StepFrame
from msaas.postgres import Database

_STEP: Final = """
run_id, seq, kind, state, title, detail, child_job_id, approval_id, model_calls, tokens,
cost_micro_usd, started_at, finished_at
"""
_COUNT: Final = f"""
UPDATE agents.runs SET steps = steps + 1
WHERE id = $1 AND NOT EXISTS (SELECT FROM agents.steps WHERE run_id = $1 AND key = $2)
RETURNING {RUN_COLUMNS}
"""  # noqa: S608  # fixed names
_PUT: Final = f"""
INSERT INTO agents.steps AS s (
  run_id, seq, user_id, key, kind, state, title, detail, child_job_id, approval_id, model_calls,
  tokens, cost_micro_usd, finished_at
)
SELECT $1, r.steps, r.user_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
  CASE WHEN $4 NOT IN ('started', 'waiting') THEN clock_timestamp() END
FROM agents.runs r WHERE r.id = $1
ON CONFLICT (run_id, key) DO UPDATE SET
  kind = excluded.kind, state = excluded.state, title = excluded.title, detail = excluded.detail,
  child_job_id = excluded.child_job_id, approval_id = excluded.approval_id,
  model_calls = excluded.model_calls, tokens = excluded.tokens,
  cost_micro_usd = excluded.cost_micro_usd, finished_at = excluded.finished_at
RETURNING {_STEP}
"""  # noqa: S608  # fixed names
_LIST: Final = f"SELECT {_STEP} FROM agents.steps WHERE run_id = $1 ORDER BY seq"  # noqa: S608  # fixed names


class PostgresSteps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, run_id: UUID, fence: UUID, step: StepRecord) -> StepFrame:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            locked = await lock_run(connection, run_id, fence)
            with reached_ceilings():
                counted = await connection.fetchrow(_COUNT, run_id, step.key)
            row = await connection.fetchrow(_PUT, run_id, *_row(step))
            frame = _read(row)
            if counted is not None:
                await put_run_frame(connection, read_run(counted))
            await put_step_frame(connection, RunStep(user_id=locked.user_id, step=frame))
        return frame

    async def list_of(self, run_id: UUID) -> Sequence[StepFrame]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, run_id)
        return [_read(row) for row in rows]


def _row(step: StepRecord) -> tuple[Any, ...]:
    return (
        step.key,
        step.kind,
        step.state,
        step.title.replace("\0", ""),
        None if step.detail is None else step.detail.replace("\0", ""),
        step.child_job_id,
        step.approval_id,
        step.model_calls,
        step.tokens,
        step.cost_micro_usd,
    )


def _read(row: Any) -> StepFrame:
    return StepFrame(**dict(row))
