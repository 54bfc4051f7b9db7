"""Calls of tools and questions to people in Postgres, each stored once by its key."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msaas.agents.adapters.postgres.rows import LOCK_TIMEOUT, dump_json, load_json, lock_run
from msaas.agents.domain.effects import (
    ApprovalState,
    NewApproval,
    NewToolCall,
    StoredApproval,
    StoredToolCall,
    derive_approval_id,
    derive_child_id,
)
from msaas.agents.domain.errors import ApprovalClosed, ApprovalNotFound
from msaas.postgres import Database

_CALL: Final = """
run_id, user_id, call_key, child_job_id, task_type, arguments::text AS arguments,
outcome::text AS outcome, created_at
"""
_OPEN_CALLS: Final = """
WITH new AS (
  INSERT INTO agents.tool_calls (run_id, user_id, call_key, child_job_id, task_type, arguments)
  SELECT $1, $2, key, child, task, arguments::jsonb
  FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[]) AS n (key, child, task, arguments)
  ON CONFLICT (run_id, call_key) DO NOTHING RETURNING 1
)
UPDATE agents.runs SET child_jobs = child_jobs + (SELECT count(*) FROM new)
WHERE id = $1 AND EXISTS (SELECT FROM new)
"""
_LIST_CALLS: Final = f"""
SELECT {_CALL} FROM agents.tool_calls WHERE run_id = $1 ORDER BY created_at, call_key
"""  # noqa: S608  # fixed names
_STORE_OUTCOME: Final = """
UPDATE agents.tool_calls SET state = 'ended', outcome = $3::jsonb, ended_at = clock_timestamp()
WHERE child_job_id = $1 AND user_id = $2 AND state = 'open'
"""
_FIND_RUN: Final = "SELECT run_id FROM agents.tool_calls WHERE child_job_id = $1 AND user_id = $2"

_APPROVAL: Final = """
a.id, a.run_id, a.user_id, a.call_key, a.kind, a.title, a.text, a.form::text AS form, a.state,
a.answer::text AS answer, a.expires_at, a.decided_at
"""
_ASK: Final = """
INSERT INTO agents.approvals (id, run_id, user_id, call_key, kind, title, text, form, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9)
ON CONFLICT (run_id, call_key) DO NOTHING
"""
_EXPIRE: Final = """
UPDATE agents.approvals SET state = 'expired', decided_at = clock_timestamp()
WHERE id = $1 AND state = 'open' AND expires_at <= clock_timestamp()
"""
_FIND_APPROVAL: Final = f"""
SELECT {_APPROVAL} FROM agents.approvals a WHERE a.id = $1 AND a.user_id = $2
"""  # noqa: S608  # fixed names
_LIST_DECIDED: Final = f"""
SELECT {_APPROVAL} FROM agents.runs r JOIN agents.approvals a ON a.run_id = r.id
WHERE r.finished_at IS NULL AND r.state = 'waiting' AND r.paused_at IS NOT NULL
  AND a.decided_at >= r.paused_at AND a.state <> 'expired'
ORDER BY a.decided_at LIMIT $1
"""  # noqa: S608  # fixed names
_LOCK_APPROVAL: Final = """
SELECT a.state, a.kind,
  a.expires_at <= clock_timestamp() OR r.finished_at IS NOT NULL AS is_over
FROM agents.approvals a JOIN agents.runs r ON r.id = a.run_id
WHERE a.id = $1 AND a.user_id = $2 FOR NO KEY UPDATE OF a
"""
_DECIDE: Final = """
UPDATE agents.approvals SET state = $2, answer = $3::jsonb, decided_at = clock_timestamp()
WHERE id = $1
"""
_DECISIONS: Final[Mapping[str, frozenset[ApprovalState]]] = {
    "approval": frozenset({"approved", "denied"}),
    "answer": frozenset({"answered"}),
}


class PostgresToolCalls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, run_id: UUID, fence: UUID, calls: Sequence[NewToolCall]
    ) -> Sequence[StoredToolCall]:
        columns = (
            [call.call_key for call in calls],
            [derive_child_id(run_id, call.call_key) for call in calls],
            [call.task_type for call in calls],
            [dump_json(call.arguments) for call in calls],
        )
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            run = await lock_run(connection, run_id, fence)
            await connection.execute(_OPEN_CALLS, run_id, run.user_id, *columns)
            rows = await connection.fetch(_LIST_CALLS, run_id)
        stored = {row["call_key"]: _read_call(row) for row in rows}
        return [stored[call.call_key] for call in calls]

    async def store_outcome(
        self, child_job_id: UUID, user_id: UUID, outcome: Mapping[str, Any]
    ) -> UUID | None:
        async with self._database.connection() as connection:
            child = (child_job_id, user_id)
            await connection.execute(_STORE_OUTCOME, *child, dump_json(outcome))
            run_id: UUID | None = await connection.fetchval(_FIND_RUN, *child)
        return run_id

    async def list_of(self, run_id: UUID) -> Sequence[StoredToolCall]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_CALLS, run_id)
        return [_read_call(row) for row in rows]


class PostgresApprovals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, run_id: UUID, fence: UUID, new: NewApproval) -> StoredApproval:
        approval_id = derive_approval_id(run_id, new.call_key)
        shown = (new.call_key, new.kind, new.title, new.text, dump_json(new.form), new.expires_at)
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            run = await lock_run(connection, run_id, fence)
            await connection.execute(_ASK, approval_id, run_id, run.user_id, *shown)
            await connection.execute(_EXPIRE, approval_id)
            row = await connection.fetchrow(_FIND_APPROVAL, approval_id, run.user_id)
        return _read_approval(row)

    async def decide(
        self,
        approval_id: UUID,
        user_id: UUID,
        state: ApprovalState,
        answer: Mapping[str, Any] | None = None,
    ) -> StoredApproval:
        given = None if answer is None else dump_json(answer)
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            found = await connection.fetchrow(_LOCK_APPROVAL, approval_id, user_id)
            if found is None:
                raise ApprovalNotFound
            if state not in _DECISIONS[found["kind"]] or found["state"] == "expired":
                raise ApprovalClosed
            if found["state"] == "open":
                if found["is_over"]:
                    raise ApprovalClosed
                await connection.execute(_DECIDE, approval_id, state, given)
            row = await connection.fetchrow(_FIND_APPROVAL, approval_id, user_id)
        return _read_approval(row)

    async def find(self, approval_id: UUID, user_id: UUID) -> StoredApproval | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_APPROVAL, approval_id, user_id)
        return _read_approval(row) if row else None

    async def list_decided(self, limit: int) -> Sequence[StoredApproval]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_DECIDED, limit)
        return [_read_approval(row) for row in rows]


def _read_call(row: Any) -> StoredToolCall:
    parsed = {name: load_json(row[name]) for name in ("arguments", "outcome")}
    return StoredToolCall(**dict(row) | parsed)


def _read_approval(row: Any) -> StoredApproval:
    parsed = {name: load_json(row[name]) for name in ("form", "answer")}
    return StoredApproval(**dict(row) | parsed)
