"""Which task types are paused, why and until when."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.jobs.adapters.postgres.rows import ACTIVE_PAUSES, TOPIC_OF
from msaas.jobs.application.set_pauses import TaskPause
from msaas.postgres import Database

# An active pause goes on; one that is over begins again. A pause that is over is kept to explain
# waits. An end given from outside is limited to five minutes.
PAUSE: Final = """
INSERT INTO jobs.pauses AS p (task_type, reason, note, until)
SELECT $1::text, $2::text, $3::text,
  CASE WHEN $4::timestamptz IS NOT NULL THEN least($4, now() + interval '5 min') END
WHERE $4 IS NULL OR $4 > now()
ON CONFLICT (task_type, reason) DO UPDATE SET
  since = CASE WHEN p.until <= now() THEN now() ELSE p.since END,
  note = excluded.note,
  until = CASE WHEN p.until > excluded.until THEN p.until ELSE excluded.until END
WHERE $5::timestamptz IS NULL OR p.until IS NULL OR p.until < $5
"""

RESUME: Final = """
UPDATE jobs.pauses SET until = now() WHERE task_type = $1 AND (until IS NULL OR until > now())
  AND ($2::timestamptz IS NULL OR since < $2)
"""

IS_RUN_OF: Final = """
SELECT EXISTS (
  SELECT FROM jobs.job_attempts a JOIN jobs.jobs j ON j.id = a.job_id
  WHERE a.job_id = $2 AND a.fence = $3 AND j.task_type = $1
)
"""


class PostgresPauses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, pause: TaskPause, sent_at: datetime | None = None) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(PAUSE, *pause, sent_at)

    async def resume(self, task_type: str, sent_at: datetime | None = None) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(RESUME, task_type, sent_at)

    async def is_run_of(self, task_type: str, job_id: UUID, fence: UUID) -> bool:
        async with self._database.transaction() as connection:
            return bool(await connection.fetchval(IS_RUN_OF, task_type, job_id, fence))

    async def find_paused(self) -> frozenset[str]:
        """Return the topics of the paused task types."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(ACTIVE_PAUSES)
        return frozenset(TOPIC_OF[row["task_type"]] for row in rows if row["task_type"] in TOPIC_OF)
