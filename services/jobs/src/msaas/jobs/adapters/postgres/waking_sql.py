"""The one statement that wakes a job which waits, whoever has news for it."""

from typing import Final

# Whoever ends a child holds the same subject, so that of two who end the last two one sees both.
# The jobs that wait were locked before, in the order of all locks; their children are only read.
WAKE: Final = """
UPDATE jobs.jobs p SET waiting_for = NULL, wake_at = now()
WHERE p.id = ANY($1::uuid[]) AND p.finished_at IS NULL AND p.waiting_for IS NOT NULL AND (
  p.wake_at <= now()
  OR p.waiting_for <> '{}' AND NOT EXISTS (
    SELECT FROM jobs.jobs c
    WHERE c.parent_job_id = p.id AND c.id = ANY(p.waiting_for) AND c.finished_at IS NULL
  )
)
RETURNING p.id
"""
