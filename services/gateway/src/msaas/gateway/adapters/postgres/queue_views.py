"""Reads queue positions in the transaction that reads the jobs."""

from collections.abc import Sequence
from typing import Final

from msaas.contracts import JobStatus, Plan
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.queue_estimates import QueuePosition
from msaas.postgres import DatabaseConnection

_QUEUE_POSITIONS: Final = """
SELECT
  q.id, q.position, q.run_at, now() AS now, s.plan, s.slots, s.held, p.is_paused, p.paused_until,
  coalesce(t.is_full, false) AS is_full, t.median_wait_ms, t.median_run_ms
FROM api_v1.queue q
CROSS JOIN api_v1.slots s
LEFT JOIN api_v1.queue_stats t USING (task_type)
CROSS JOIN LATERAL (
  SELECT count(*) > 0 AS is_paused, CASE WHEN bool_and(until IS NOT NULL) THEN max(until) END
  FROM api_v1.pauses WHERE task_type = q.task_type
) AS p (is_paused, paused_until)
WHERE q.id = ANY($1::uuid[])
"""


async def add_queue_positions(connection: DatabaseConnection, rows: Sequence[Row]) -> Sequence[Row]:
    """Add `queue_position` to each row: None for a job that is not pending."""
    waiting = [row["id"] for row in rows if row["status"] == JobStatus.PENDING]
    found = await connection.fetch(_QUEUE_POSITIONS, waiting) if waiting else []
    positions = {row["id"]: _parse_position(dict(row)) for row in found}
    return [{**row, "queue_position": positions.get(row["id"])} for row in rows]


def _parse_position(row: Row) -> QueuePosition:
    return QueuePosition(
        position=row["position"],
        run_at=row["run_at"],
        now=row["now"],
        plan=Plan(row["plan"]),
        slots=row["slots"],
        slots_in_use=row["held"],
        is_paused=row["is_paused"],
        paused_until=row["paused_until"],
        is_full=row["is_full"],
        median_wait=row["median_wait_ms"],
        median_run=row["median_run_ms"],
    )
