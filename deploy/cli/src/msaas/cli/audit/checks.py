"""The invariants of the usage ledger, each as one SQL query over all of it.

A query returns every row that it examines as (subject_id, period_start, job_id, problem);
`problem` is NULL where the invariant holds. An erased user's jobs are deleted and the events stay,
so the events of an erased user are compared with their chain and their counter only. A checkpoint
stands for the events that retention has rolled up: a chain begins behind its last checkpoint.
"""

from dataclasses import dataclass
from typing import Final

_COUNTERS: Final = """
WITH subjects AS (SELECT subject_id, user_id FROM jobs.subjects),
charged AS (
  SELECT subject_id, period_start, sum(completions) AS completions, sum(corrections) AS corrections
  FROM (
    SELECT
      subject_id, period_start,
      coalesce(sum(quantity) FILTER (WHERE kind = 'job_completed'), 0) AS completions,
      coalesce(sum(quantity) FILTER (WHERE kind = 'reconciliation_adjustment'), 0) AS corrections
    FROM jobs.usage_events GROUP BY 1, 2
    UNION ALL
    SELECT subject_id, period_start, completions, corrections FROM jobs.usage_checkpoints
  ) AS parts GROUP BY 1, 2
),
completed AS (
  SELECT s.subject_id, j.usage_period AS period_start, count(*) AS completed
  FROM jobs.jobs j JOIN jobs.subjects s USING (user_id)
  WHERE j.status = 'COMPLETED' AND j.billable GROUP BY 1, 2
),
compared AS (
  SELECT
    subject_id, period_start, coalesce(jobs_used, 0) AS used,
    coalesce(completions, 0) AS completions, coalesce(corrections, 0) AS corrections,
    coalesce(completed, 0) AS completed, subjects.user_id IS NULL AS is_erased
  FROM jobs.usage_counters
  FULL JOIN charged USING (subject_id, period_start)
  FULL JOIN completed USING (subject_id, period_start)
  LEFT JOIN subjects USING (subject_id)
)
SELECT subject_id, period_start, NULL::uuid AS job_id,
  CASE WHEN used <> completions + corrections OR (completions <> completed AND NOT is_erased)
    THEN format('counter %s, events %s, corrections %s, completed jobs %s',
      used, completions, corrections, completed)
  END AS problem
FROM compared
"""

_RESERVED_COUNTS: Final = """
WITH reservations AS (
  SELECT s.subject_id, j.usage_period AS period_start, count(*) AS jobs_with_reservation
  FROM jobs.jobs j JOIN jobs.subjects s USING (user_id) WHERE j.reserved GROUP BY 1, 2
)
SELECT subject_id, period_start, NULL::uuid AS job_id,
  CASE WHEN coalesce(c.jobs_reserved, 0) <> coalesce(jobs_with_reservation, 0)
    THEN format('counter has %s reserved, jobs have %s',
      coalesce(c.jobs_reserved, 0), coalesce(jobs_with_reservation, 0))
  END AS problem
FROM jobs.usage_counters c FULL JOIN reservations USING (subject_id, period_start)
"""

_LIVE_JOBS: Final = """
SELECT s.subject_id, j.usage_period AS period_start, j.id AS job_id,
  CASE
    WHEN s.subject_id IS NULL AND (j.reserved OR j.billable) THEN 'counted for no subject'
    WHEN j.billable AND NOT j.reserved THEN 'live and billable without a reservation'
    WHEN j.reserved AND NOT j.billable THEN 'reserved, but not billable'
  END AS problem
FROM jobs.jobs j LEFT JOIN jobs.subjects s USING (user_id)
WHERE j.status IN ('PENDING', 'RUNNING')
"""

_ENDED_JOBS: Final = """
SELECT s.subject_id, j.usage_period AS period_start, j.id AS job_id,
  CASE
    WHEN j.reserved THEN 'ended, but still reserved'
    WHEN j.finished_at IS NULL THEN 'ended without finished_at'
    WHEN j.lease_until IS NOT NULL AND j.status = 'COMPLETED' THEN 'ended with a lease'
  END AS problem
FROM jobs.jobs j LEFT JOIN jobs.subjects s USING (user_id)
WHERE j.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
"""

_COMPLETED_JOBS: Final = """
WITH charges AS (
  SELECT job_id, count(*) AS charges FROM jobs.usage_events
  WHERE kind = 'job_completed' GROUP BY 1
)
SELECT s.subject_id, j.usage_period AS period_start, j.id AS job_id,
  CASE
    WHEN charges IS NULL AND NOT EXISTS (
      SELECT FROM jobs.usage_checkpoints c
      WHERE c.subject_id = s.subject_id AND c.period_start = j.usage_period
    ) THEN 'completed and never charged'
    WHEN charges > 1 THEN 'charged more than once'
  END AS problem
FROM jobs.jobs j LEFT JOIN jobs.subjects s USING (user_id) LEFT JOIN charges ON job_id = j.id
WHERE j.status = 'COMPLETED' AND j.billable
"""

_CHARGES: Final = """
SELECT e.subject_id, e.period_start, e.job_id,
  CASE
    WHEN s.user_id IS NULL THEN NULL
    WHEN j.id IS NULL THEN 'charged for a job that does not exist'
    WHEN j.user_id <> s.user_id THEN 'charged to another user'
    WHEN NOT j.billable THEN 'charged, but not billable'
    WHEN j.status <> 'COMPLETED' THEN format('charged for a job that is %s', j.status)
    WHEN j.usage_period <> e.period_start THEN 'charged to another period than it was reserved in'
    WHEN e.quantity <> 1 THEN format('charged %s times', e.quantity)
  END AS problem
FROM jobs.usage_events e
LEFT JOIN jobs.subjects s USING (subject_id) LEFT JOIN jobs.jobs j ON j.id = e.job_id
WHERE e.kind = 'job_completed'
"""

_ROLLED_UP: Final = """
rolled_up AS (
  SELECT DISTINCT ON (subject_id) subject_id, last_seq, head
  FROM jobs.usage_checkpoints ORDER BY subject_id, first_seq DESC
)
"""

_CHAIN_LINKS: Final = f"""
WITH {_ROLLED_UP},
linked AS (
  SELECT e.*, coalesce(c.last_seq, 0) + row_number() OVER chain AS position,
    lag(hash, 1, coalesce(c.head, decode(repeat('00', 32), 'hex'))) OVER chain AS hash_before
  FROM jobs.usage_events e LEFT JOIN rolled_up c USING (subject_id)
  WINDOW chain AS (PARTITION BY e.subject_id ORDER BY seq)
)
SELECT subject_id, period_start, job_id,
  CASE
    WHEN seq <> position THEN format('link %s is at position %s', seq, position)
    WHEN prev_hash IS DISTINCT FROM hash_before
      THEN format('link %s does not refer to the previous link', seq)
    WHEN hash IS DISTINCT FROM jobs.usage_hash(
      subject_id, seq, job_id, quantity, occurred_at, prev_hash
    ) THEN format('the hash of link %s does not match its content', seq)
  END AS problem
FROM linked
"""  # noqa: S608  # constant text

_CHAIN_HEADS: Final = f"""
WITH {_ROLLED_UP},
links AS (
  SELECT subject_id, seq, hash FROM jobs.usage_events
  UNION ALL SELECT subject_id, last_seq, head FROM rolled_up
),
last AS (SELECT DISTINCT ON (subject_id) * FROM links ORDER BY subject_id, seq DESC)
SELECT subject_id, s.period_start, NULL::uuid AS job_id,
  CASE
    WHEN s.last_seq IS NULL THEN 'a chain without a subject'
    WHEN s.last_seq <> coalesce(last.seq, 0)
      THEN format('last link is %s, head is %s', coalesce(last.seq, 0), s.last_seq)
    WHEN s.head <> coalesce(last.hash, decode(repeat('00', 32), 'hex'))
      THEN 'the head is not the hash of the last link'
  END AS problem
FROM jobs.subjects s FULL JOIN last USING (subject_id)
"""  # noqa: S608  # constant text

_CHECKPOINTS: Final = """
SELECT subject_id, period_start, NULL::uuid AS job_id,
  CASE WHEN first_seq <> 1 + lag(last_seq, 1, 0::bigint)
    OVER (PARTITION BY subject_id ORDER BY first_seq)
    THEN format('the checkpoint of link %s does not follow the previous one', first_seq)
  END AS problem
FROM jobs.usage_checkpoints
"""


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One invariant; `unit` names what its count counts."""

    invariant: str
    unit: str
    query: str


CHECKS: Final = (
    AuditCheck("counter = events = completed jobs", "periods", _COUNTERS),
    AuditCheck("a counter equals the reservations of its jobs", "periods", _RESERVED_COUNTS),
    AuditCheck("a live billable job has a reservation", "live jobs", _LIVE_JOBS),
    AuditCheck("an ended job is settled", "ended jobs", _ENDED_JOBS),
    AuditCheck("a completed job is charged once", "completed jobs", _COMPLETED_JOBS),
    AuditCheck("nothing else is charged", "charges", _CHARGES),
    AuditCheck("each link of a chain follows the previous one", "links", _CHAIN_LINKS),
    AuditCheck("a chain ends at its subject's head", "subjects", _CHAIN_HEADS),
    AuditCheck("checkpoints follow each other", "checkpoints", _CHECKPOINTS),
)
