"""What the service keeps, and for how long: the rules of retention for schema `jobs`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import asyncpg

from msaas.contracts import TASKS
from msaas.postgres import (
    BeginRemoval,
    DatabaseConnection,
    ExpiringRows,
    Key,
    Page,
    Removal,
    RetentionRule,
)
from msaas.telemetry import get_logger

CONTENT_KEPT: Final = "FREE 7 days, PRO 30 days, ENTERPRISE 90 days"
PARALLEL_DELETIONS: Final = 8
LARGEST_ARTIFACT_BATCH: Final = 50

# The plan that the user has today decides, for jobs of earlier plans too.
_KEPT_BY_PLAN: Final = """CASE (
  SELECT s.plan FROM jobs.subjects s WHERE s.user_id = {user_id}
) WHEN 'ENTERPRISE' THEN interval '90 days' WHEN 'PRO' THEN interval '30 days'
ELSE interval '7 days' END"""

# Tasks that are in the catalogue and store no files; an unknown task type may have stored some.
_STORES_NOTHING: Final = ", ".join(
    f"'{task.task_type}'" for task in TASKS.values() if not task.uploads
)

JOB_CONTENT: Final = ExpiringRows(
    name="job_content",
    kept=CONTENT_KEPT,
    table="jobs.jobs",
    order={"finished_at": "timestamptz", "id": "uuid"},
    expired="t.finished_at < now() - interval '7 days' AND t.content_removed_at IS NULL",
    due=f"t.finished_at < now() - {_KEPT_BY_PLAN.format(user_id='t.user_id')}",
    changes=f"""
      payload = NULL, result = NULL, result_ref = NULL, progress = NULL, last_error = NULL,
      content_removed_at = now(),
      artifacts_removed_at = CASE WHEN t.task_type IN ({_STORES_NOTHING}) THEN now() END
    """,
    related="""
      UPDATE jobs.job_attempts a SET error = NULL, timings_ms = NULL, network = NULL
      FROM due WHERE a.job_id = due.id
    """,
)

# An attempt that shows its job's timeline is kept as long as the rest of the timeline.
JOB_ATTEMPTS: Final = ExpiringRows(
    name="job_attempts",
    kept="30 days, or as long as the job's content",
    table="jobs.job_attempts",
    order={"dispatched_at": "timestamptz", "job_id": "uuid", "fence": "uuid"},
    expired="t.dispatched_at < now() - interval '30 days'",
    due="""(
      SELECT j.content_removed_at IS NOT NULL AND j.finished_at < now() - interval '30 days'
      FROM jobs.jobs j WHERE j.id = t.job_id
    )""",
    key=("job_id", "fence"),
)

IDEMPOTENCY_KEYS: Final = ExpiringRows(
    name="idempotency_keys",
    kept="72 hours",
    table="jobs.jobs",
    order={"created_at": "timestamptz", "id": "uuid"},
    expired="t.created_at < now() - interval '72 hours' AND t.idempotency_key IS NOT NULL",
    changes="idempotency_key = NULL, idempotency_item = NULL, idempotency_fingerprint = NULL",
)

DEAD_LETTERS: Final = ExpiringRows(
    name="resolved_dead_letters",
    kept="30 days after they were replayed or resolved",
    table="jobs.message_dead_letters",
    order={"resolved_at": "timestamptz", "id": "uuid"},
    expired="t.resolved_at < now() - interval '30 days'",
    due="""(
      SELECT count(*) FROM jobs.dead_letter_replays p
      WHERE p.dead_letter_id = t.id AND p.replayed_at IS NULL
    ) = 0""",
)

REPLAYS: Final = ExpiringRows(
    name="dead_letter_replays",
    kept="30 days",
    table="jobs.dead_letter_replays",
    order={"replayed_at": "timestamptz", "id": "uuid"},
    expired="t.replayed_at < now() - interval '30 days'",
)

BULK_CHANGES: Final = ExpiringRows(
    name="bulk_changes",
    kept="30 days after they were carried out",
    table="jobs.bulk_changes",
    order={"finished_at": "timestamptz", "id": "uuid"},
    expired="t.finished_at < now() - interval '30 days'",
)

_IS_OLD: Final = "interval '25 months'"
_FIND_SUBJECTS: Final = f"""
SELECT s.subject_id, (
  SELECT e.occurred_at FROM jobs.usage_events e WHERE e.subject_id = s.subject_id
  ORDER BY e.seq LIMIT 1
) < now() - {_IS_OLD} AS is_due
FROM jobs.subjects s WHERE s.subject_id > $2 ORDER BY s.subject_id LIMIT $1
"""  # noqa: S608  # constant text
_COUNT_EVENTS: Final = f"""
SELECT count(*) FROM jobs.usage_events
WHERE subject_id = ANY($1::uuid[]) AND occurred_at < now() - {_IS_OLD}
"""  # noqa: S608  # constant text
_ROLL_UP: Final = "SELECT jobs.roll_up_usage($1, $2)"


class Files(Protocol):
    """The artifact store."""

    async def delete_job(self, job_id: UUID) -> int: ...


@dataclass(frozen=True, slots=True)
class UsageRollUp:
    """Replaces old usage events by checkpoints, subject by subject; the database verifies both."""

    name: str = "usage_events"
    kept: str = "25 months, then a checkpoint for each period"

    async def find(self, connection: DatabaseConnection, after: Key | None, limit: int) -> Page:
        rows = await connection.fetch(_FIND_SUBJECTS, limit, *(after or (UUID(int=0),)))
        due = [(row["subject_id"],) for row in rows if row["is_due"]]
        count: int = await connection.fetchval(_COUNT_EVENTS, [key[0] for key in due]) if due else 0
        return Page(due, count, (rows[-1]["subject_id"],) if len(rows) == limit else None)

    async def remove(self, begin: BeginRemoval, due: Sequence[Key], limit: int) -> Removal:
        removed = 0
        for (subject_id,) in due:
            removed += await self._roll_up(begin, subject_id, limit - removed)
            if removed >= limit:
                return Removal(removed, is_complete=False)
        return Removal(removed)

    async def _roll_up(self, begin: BeginRemoval, subject_id: UUID, limit: int) -> int:
        """Roll up one period after the other; a chain that is broken stays for the audit."""
        removed = 0
        try:
            while removed < limit:
                async with begin() as connection:
                    rows: int = await connection.fetchval(_ROLL_UP, subject_id, limit - removed)
                if rows == 0:
                    break
                removed += rows
        except asyncpg.IntegrityConstraintViolationError as error:
            get_logger().error(
                "usage_roll_up_refused", subject_id=str(subject_id), error=str(error)
            )
        return removed


def list_retention_rules(files: Files | None) -> Sequence[RetentionRule]:
    """List the rules; without an artifact store, the marks of jobs with files stay for later."""
    artifacts = [_build_artifacts_rule(files)] if files else []
    return [
        JOB_CONTENT,
        *artifacts,
        JOB_ATTEMPTS,
        IDEMPOTENCY_KEYS,
        DEAD_LETTERS,
        REPLAYS,
        BULK_CHANGES,
        UsageRollUp(),
    ]


def _build_artifacts_rule(files: Files) -> RetentionRule:
    """Wait for the removal of the content: from then on the job cannot run and store new files."""
    return ExpiringRows(
        name="artifacts",
        kept=CONTENT_KEPT,
        table="jobs.jobs",
        order={"content_removed_at": "timestamptz", "id": "uuid"},
        expired="t.content_removed_at IS NOT NULL AND t.artifacts_removed_at IS NULL",
        changes="artifacts_removed_at = now()",
        before=_delete_files(files),
        largest=LARGEST_ARTIFACT_BATCH,
    )


def _delete_files(files: Files) -> Callable[[Sequence[Key]], Awaitable[None]]:
    free = asyncio.Semaphore(PARALLEL_DELETIONS)

    async def delete(job_id: UUID) -> None:
        async with free:
            await files.delete_job(job_id)

    async def delete_all(keys: Sequence[Key]) -> None:
        outcomes = await asyncio.gather(*(delete(key[0]) for key in keys), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    return delete_all
