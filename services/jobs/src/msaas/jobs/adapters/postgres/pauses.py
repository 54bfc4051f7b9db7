"""Which task types rest, why and until when."""

from typing import Final

from msaas.contracts import TASKS
from msaas.jobs.application.set_pauses import TaskPause
from msaas.postgres import Database

# One that is in force goes on; one that is over begins anew. What is over stays, so that a wait can
# be explained by it. No end that is told from outside is believed to be far off.
PAUSE: Final = """
INSERT INTO jobs.pauses AS p (task_type, reason, note, until)
SELECT $1::text, $2::text, $3::text,
  CASE WHEN $4::timestamptz IS NOT NULL THEN least($4, now() + interval '5 min') END
WHERE $4 IS NULL OR $4 > now()
ON CONFLICT (task_type, reason) DO UPDATE SET
  since = CASE WHEN p.until <= now() THEN now() ELSE p.since END,
  note = excluded.note,
  until = CASE WHEN p.until > excluded.until THEN p.until ELSE excluded.until END
"""

RESUME: Final = """
UPDATE jobs.pauses SET until = now() WHERE task_type = $1 AND (until IS NULL OR until > now())
"""

FIND_ACTIVE: Final = "SELECT task_type FROM jobs.pauses WHERE until IS NULL OR until > now()"


class PostgresPauses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, pause: TaskPause) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(PAUSE, *pause)

    async def resume(self, task_type: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(RESUME, task_type)

    async def find_paused(self) -> frozenset[str]:
        """Name the topics of task types that rest."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(FIND_ACTIVE)
        return frozenset(TASKS[row["task_type"]].topic for row in rows if row["task_type"] in TASKS)
