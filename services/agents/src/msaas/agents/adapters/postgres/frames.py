"""Frames of runs, from the commit of what they show until they are published."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final, TypeAlias
from uuid import UUID

from msaas.agents.adapters.postgres.rows import LOCK_TIMEOUT, dump_json
from msaas.agents.application.stores import StoredFrame
from msaas.agents.domain.runs import StoredRun
from msaas.contracts import Ceilings, RunChanged, RunFinished, RunFrame, RunStep
from msaas.postgres import Database, DatabaseConnection

RunMessage: TypeAlias = RunChanged | RunFinished | RunStep

_MESSAGES: Final[Mapping[str, type[RunMessage]]] = {
    message.__name__: message for message in (RunChanged, RunFinished, RunStep)
}

# A frame that replaces one which is being published goes to the end, and stays that claimer's.
_PUT: Final = """
INSERT INTO agents.frame_outbox (run_id, user_id, subject, message_type, body)
SELECT id, user_id, $2, $3, $4::jsonb FROM agents.runs WHERE id = $1
ON CONFLICT (run_id, subject) DO UPDATE SET
  id = DEFAULT, message_type = excluded.message_type, body = excluded.body
"""
_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('msaas.agents.frames', 0))"
_CLAIM: Final = """
UPDATE agents.frame_outbox SET claimed_until = clock_timestamp() + interval '10 seconds'
WHERE id = ANY(ARRAY(
  SELECT f.id FROM agents.frame_outbox f
  WHERE NOT EXISTS (
    SELECT FROM agents.frame_outbox c
    WHERE c.run_id = f.run_id AND c.claimed_until > clock_timestamp()
  )
  ORDER BY f.id LIMIT $1
))
RETURNING id, run_id, message_type, body::text AS body
"""
_DELETE: Final = """
WITH gone AS (DELETE FROM agents.frame_outbox WHERE id = ANY($1::bigint[]))
UPDATE agents.frame_outbox SET claimed_until = '-infinity'
WHERE run_id = ANY($2::uuid[]) AND id <> ALL($1::bigint[]) AND claimed_until > '-infinity'
"""


class PostgresFrames:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int) -> Sequence[StoredFrame]:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            await connection.execute(_TAKE_TURN)
            rows = await connection.fetch(_CLAIM, limit)
        return [
            StoredFrame(
                row["id"],
                row["run_id"],
                _MESSAGES[row["message_type"]].model_validate_json(row["body"]),
            )
            for row in sorted(rows, key=itemgetter("id"))
        ]

    async def delete(self, frames: Sequence[StoredFrame]) -> None:
        runs = {frame.run_id for frame in frames}
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            await connection.execute(_DELETE, [frame.id for frame in frames], list(runs))


async def put_run_frame(connection: DatabaseConnection, run: StoredRun) -> None:
    kind = RunFinished if run.has_ended else RunChanged
    message = kind(user_id=run.user_id, run=build_run_frame(run))
    await _put(connection, run.run_id, "run", message)


async def put_step_frame(connection: DatabaseConnection, message: RunStep) -> None:
    await _put(connection, message.step.run_id, f"step:{message.step.seq}", message)


async def _put(
    connection: DatabaseConnection, run_id: UUID, subject: str, message: RunMessage
) -> None:
    body = dump_json(message.model_dump(mode="json"))
    await connection.execute(_PUT, run_id, subject, type(message).__name__, body)


def build_run_frame(run: StoredRun) -> RunFrame:
    return RunFrame(
        id=run.run_id,
        workflow_type=run.workflow_type,
        state=run.state,
        title=run.title,
        spend=run.spend,
        ceilings=Ceilings(
            steps=run.ceilings.steps,
            tokens=run.ceilings.tokens,
            cost_micro_usd=run.ceilings.cost_micro_usd,
            seconds=run.ceilings.seconds,
        ),
        partial=run.partial_reason is not None,
        partial_reason=run.partial_reason,
        failure_reason=run.failure_reason,
        version=run.version,
        created_at=run.created_at,
        updated_at=run.updated_at,
        finished_at=run.finished_at,
    )
