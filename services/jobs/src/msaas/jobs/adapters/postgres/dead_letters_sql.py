"""The statements of dead letters."""

from typing import Final

ADVISORY_LOCK: Final = 0x6D73_6A6F_626C_6574
"""One replay at a time for all processes; the number is this service's own."""

# A message that died before under the same id keeps its number of replays.
INSERT_DEAD_LETTERS: Final = """
INSERT INTO jobs.message_dead_letters
  (id, topic, entry_id, body, class, error, message_id, message_type, correlation_id, replay_count)
SELECT given.*, coalesce((
  SELECT max(l.replay_count) FROM jobs.message_dead_letters l
  WHERE l.topic = given.topic AND l.message_id = given.message_id
), 0)
FROM unnest(
  $1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::uuid[],
  $8::text[], $9::text[]
) AS given (id, topic, entry_id, body, class, error, message_id, message_type, correlation_id)
ON CONFLICT (topic, entry_id) DO NOTHING
RETURNING id, topic, class, replay_count
"""

SCHEDULE_REPLAYS: Final = """
INSERT INTO jobs.dead_letter_replays (id, dead_letter_id, topic, requested_by, due_at)
SELECT id, dead_letter_id, topic, requested_by, now() + delay
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::interval[])
  AS given (id, dead_letter_id, topic, requested_by, delay)
ON CONFLICT (dead_letter_id) WHERE replayed_at IS NULL DO UPDATE SET
  requested_by = coalesce(dead_letter_replays.requested_by, excluded.requested_by),
  due_at = least(dead_letter_replays.due_at, excluded.due_at)
"""

COUNT_RECENT_REPLAYS: Final = """
SELECT count(*) FROM jobs.dead_letter_replays
WHERE replayed_at > clock_timestamp() - interval '1 minute'
"""

FIND_ALREADY_REPLAYED: Final = """
SELECT dead_letter_id FROM jobs.dead_letter_replays
WHERE replay_id = $1 AND dead_letter_id = ANY($2::uuid[])
"""

_STATE: Final = """CASE
  WHEN l.resolved_at IS NULL THEN 'open' WHEN l.reason IS NULL THEN 'replayed' ELSE 'resolved'
END"""

LOCK_MESSAGES: Final = f"""
SELECT l.id, l.class, l.topic, l.replay_count, l.body, {_STATE} AS state, EXISTS (
  SELECT FROM jobs.dead_letter_replays p WHERE p.dead_letter_id = l.id AND p.replayed_at IS NULL
) AS is_scheduled
FROM jobs.message_dead_letters l WHERE l.id = ANY($1::uuid[]) ORDER BY l.id FOR UPDATE
"""  # noqa: S608  # fixed text

# The retry locks them later, in the order of all locks.
FIND_JOBS: Final = """
SELECT j.id, j.user_id, j.task_type, j.correlation_id, j.status = 'FAILED' AS failed,
  r.job_id IS NOT NULL AS resolved,
  (SELECT count(*) FROM jobs.dead_letter_replays d
   WHERE d.dead_letter_id = j.id AND d.replayed_at IS NOT NULL) AS replays,
  EXISTS (
    SELECT FROM jobs.dead_letter_replays p WHERE p.dead_letter_id = j.id AND p.replayed_at IS NULL
  ) AS is_scheduled
FROM jobs.jobs j
LEFT JOIN jobs.failed_job_resolutions r ON r.job_id = j.id AND r.failed_at = j.finished_at
WHERE j.id = ANY($1::uuid[]) AND j.deleted_at IS NULL
"""

UNSCHEDULE_REPLAYS: Final = """
DELETE FROM jobs.dead_letter_replays
WHERE dead_letter_id = ANY($1::uuid[]) AND replayed_at IS NULL
RETURNING dead_letter_id, requested_by
"""

INSERT_REPLAYS: Final = """
INSERT INTO jobs.dead_letter_replays
  (id, dead_letter_id, topic, due_at, replay_id, replayed_at, requested_by)
SELECT id, dead_letter_id, topic, clock_timestamp(), $5, clock_timestamp(), requested_by
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[])
  AS given (id, dead_letter_id, topic, requested_by)
"""

MARK_REPLAYED: Final = """
UPDATE jobs.message_dead_letters
SET replay_count = replay_count + 1, resolved_at = clock_timestamp()
WHERE id = ANY($1::uuid[])
"""

UNDO_REPLAYS: Final = """
DELETE FROM jobs.dead_letter_replays WHERE replay_id = $1 AND dead_letter_id = ANY($2::uuid[])
"""

RESOLVE_MESSAGES: Final = """
UPDATE jobs.message_dead_letters SET resolved_at = now(), resolved_by = $3, reason = $2
WHERE id = ANY($1::uuid[]) AND reason IS NULL RETURNING id, topic, class
"""

RESOLVE_JOBS: Final = """
WITH closed AS (
  INSERT INTO jobs.failed_job_resolutions (job_id, failed_at, reason, resolved_by)
  SELECT id, finished_at, $2, $3 FROM jobs.jobs
  WHERE id = ANY($1::uuid[]) AND status = 'FAILED' AND deleted_at IS NULL
  ON CONFLICT DO NOTHING RETURNING job_id
)
SELECT id, task_type FROM jobs.jobs WHERE id IN (SELECT job_id FROM closed)
"""

FIND_KNOWN: Final = """
SELECT id FROM jobs.message_dead_letters WHERE id = ANY($1::uuid[])
UNION ALL
SELECT id FROM jobs.jobs WHERE id = ANY($1::uuid[]) AND status = 'FAILED' AND deleted_at IS NULL
"""

LIST_DUE: Final = """
SELECT dead_letter_id FROM jobs.dead_letter_replays
WHERE replayed_at IS NULL AND due_at <= now() AND topic <> ALL($1::text[])
ORDER BY due_at LIMIT greatest(0, $2 - (
  SELECT count(*) FROM jobs.dead_letter_replays
  WHERE replayed_at > clock_timestamp() - interval '1 minute'
))
"""

COUNT_OPEN: Final = """
SELECT topic, class, count(*) AS count FROM jobs.message_dead_letters
WHERE resolved_at IS NULL GROUP BY topic, class
"""

_SCHEDULED: Final = "dead_letter_replays p ON p.replayed_at IS NULL AND p.dead_letter_id ="
_MESSAGE: Final = f"""
SELECT l.id, l.class, l.topic, coalesce(l.message_type, 'unreadable') AS name, l.error,
  l.correlation_id, l.created_at AS died_at, l.replay_count, {_STATE} AS state, l.resolved_at,
  l.resolved_by, l.reason, p.due_at AS replay_due_at, l.body
FROM jobs.message_dead_letters l LEFT JOIN jobs.{_SCHEDULED} l.id
"""  # noqa: S608  # fixed text

_JOB: Final = f"""
SELECT j.id, 'job' AS class, NULL AS topic, j.task_type AS name,
  coalesce(j.failure_reason, 'failed') AS error, j.correlation_id, j.finished_at AS died_at,
  (SELECT count(*) FROM jobs.dead_letter_replays d
   WHERE d.dead_letter_id = j.id AND d.replayed_at IS NOT NULL) AS replay_count,
  CASE WHEN r.job_id IS NULL THEN 'open' ELSE 'resolved' END AS state, r.resolved_at,
  r.resolved_by, r.reason, p.due_at AS replay_due_at, j.attempts, j.max_attempts, j.losses,
  j.last_error, j.source, j.started_at, j.created_at, j.user_id
FROM jobs.jobs j
LEFT JOIN jobs.failed_job_resolutions r ON r.job_id = j.id AND r.failed_at = j.finished_at
LEFT JOIN jobs.{_SCHEDULED} j.id
WHERE j.status = 'FAILED' AND j.deleted_at IS NULL
"""  # noqa: S608  # fixed text

LIST_MESSAGES: Final = f"""
{_MESSAGE} WHERE {_STATE} = $1 AND ($2::text IS NULL OR l.class = $2)
  AND ($3::text IS NULL OR l.topic = $3)
  AND ($4::timestamptz IS NULL OR (l.created_at, l.id) < ($4, $5::uuid))
ORDER BY l.created_at DESC, l.id DESC LIMIT $6
"""

LIST_JOBS: Final = f"""
{_JOB} AND (r.job_id IS NULL) = ($1 = 'open') AND ($2::text[] IS NULL OR j.task_type = ANY($2))
  AND ($3::timestamptz IS NULL OR (j.finished_at, j.id) < ($3, $4::uuid))
ORDER BY j.finished_at DESC, j.id DESC LIMIT $5
"""

SHOW_MESSAGE: Final = f"{_MESSAGE} WHERE l.id = $1"

SHOW_JOB: Final = f"{_JOB} AND j.id = $1"
