"""The statements about usage and its reports."""

from typing import Final

# The update locks the row, so that the entries of a subject are taken one batch after the other.
OPEN_CHAINS: Final = """
INSERT INTO billing.usage_chains (subject_id, user_id, account_id)
SELECT g.subject_id, a.user_id, a.id
FROM unnest($1::uuid[], $2::uuid[]) AS g (subject_id, user_id)
LEFT JOIN billing.accounts a ON a.user_id = g.user_id
ORDER BY g.subject_id
ON CONFLICT (subject_id) DO UPDATE SET
  user_id = coalesce(excluded.user_id, usage_chains.user_id),
  account_id = coalesce(usage_chains.account_id, excluded.account_id)
RETURNING subject_id, last_seq, encode(head, 'hex') AS head
"""

INSERT_EVENTS: Final = """
INSERT INTO billing.usage_events (
  subject_id, seq, kind, job_id, quantity, plan, occurred_at, period_start, prev_hash, hash, billing
)
SELECT
  subject_id, seq, kind, job_id, quantity, plan, occurred_at, period_start,
  decode(prev_hash, 'hex'), decode(hash, 'hex'), billing
FROM unnest(
  $1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::timestamptz[],
  $8::timestamptz[], $9::text[], $10::text[], $11::text[]
) AS g (
  subject_id, seq, kind, job_id, quantity, plan, occurred_at, period_start, prev_hash, hash, billing
)
ORDER BY subject_id, seq
ON CONFLICT DO NOTHING
"""

# What is not stored now under its own hash contradicts a stored entry.
COUNT_STORED: Final = """
SELECT count(*) FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS g (subject_id, seq, hash)
JOIN billing.usage_events e USING (subject_id, seq) WHERE e.hash = decode(g.hash, 'hex')
"""

LIST_LINKS: Final = """
SELECT seq, encode(prev_hash, 'hex') AS prev_hash, encode(hash, 'hex') AS hash
FROM billing.usage_events WHERE subject_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""

MOVE_CHAIN: Final = """
UPDATE billing.usage_chains SET
  last_seq = $2, head = decode($3, 'hex'), highest_seq = greatest(highest_seq, $4),
  gap_since = CASE
    WHEN greatest(highest_seq, $4) > $2 THEN coalesce(gap_since, clock_timestamp())
  END
WHERE subject_id = $1
"""

CLAIM_GAPS: Final = """
UPDATE billing.usage_chains c SET resend_requested_at = clock_timestamp()
FROM (
  SELECT subject_id FROM billing.usage_chains
  WHERE gap_since <= clock_timestamp() - $1::interval
    AND coalesce(resend_requested_at <= clock_timestamp() - $2::interval, true)
  ORDER BY gap_since LIMIT $3 FOR UPDATE SKIP LOCKED
) found
WHERE c.subject_id = found.subject_id
RETURNING c.subject_id, c.last_seq + 1 AS first_seq, (
  SELECT min(e.seq) - 1 FROM billing.usage_events e
  WHERE e.subject_id = c.subject_id AND e.seq > c.last_seq
) AS last_seq
"""

_OPEN: Final = "state IN ('PENDING', 'SENDING', 'AMBIGUOUS')"

# Usage waits for a minute, so that a busy subject has one report for it.
LIST_DUE: Final = f"""
SELECT DISTINCT subject_id FROM (
  (SELECT subject_id FROM billing.meter_reports
   WHERE {_OPEN} AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT $1)
  UNION ALL
  (SELECT subject_id FROM billing.meter_reports
   WHERE state = 'REPORTED' AND published_at IS NULL LIMIT $1)
  UNION ALL
  (SELECT subject_id FROM billing.corrections WHERE state IN ('PENDING', 'SENDING') LIMIT $1)
  UNION ALL
  (SELECT c.subject_id FROM billing.usage_chains c JOIN billing.accounts a ON a.id = c.account_id
   WHERE a.stripe_customer_id IS NOT NULL
     AND EXISTS (
       SELECT FROM billing.usage_events e
       WHERE e.subject_id = c.subject_id AND e.billing = 'unreported' AND e.seq <= c.last_seq
         AND e.received_at <= now() - $2::interval
     )
     AND NOT EXISTS (
       SELECT FROM billing.meter_reports r WHERE r.subject_id = c.subject_id AND r.{_OPEN}
     )
   LIMIT $1)
) due
LIMIT $1
"""  # noqa: S608  # fixed column names

COUNT_UNREPORTED: Final = """
SELECT
  coalesce(sum(quantity), 0)::bigint AS units,
  coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS age
FROM billing.usage_events WHERE billing = 'unreported'
"""

LOCK_CHAIN: Final = (
    "SELECT last_seq FROM billing.usage_chains WHERE subject_id = $1 FOR NO KEY UPDATE"
)

FIND_PAYER: Final = f"""
SELECT
  a.id, a.stripe_customer_id, a.period_start, a.period_end, clock_timestamp() AS now, (
    SELECT s.metered_price_id FROM billing.subscriptions s
    WHERE s.account_id = a.id AND s.metered_price_id IS NOT NULL
    ORDER BY s.status IN ('active', 'trialing', 'past_due') DESC, s.started_at DESC LIMIT 1
  ) AS price_id
FROM billing.usage_chains c JOIN billing.accounts a ON a.id = c.account_id
WHERE c.subject_id = $1 AND a.stripe_customer_id IS NOT NULL AND NOT EXISTS (
  SELECT FROM billing.meter_reports r WHERE r.subject_id = $1 AND r.{_OPEN}
)
"""  # noqa: S608  # fixed column names

LIST_UNREPORTED: Final = """
SELECT
  subject_id, seq, kind, job_id, quantity, plan, occurred_at, period_start,
  encode(prev_hash, 'hex') AS prev_hash, encode(hash, 'hex') AS hash
FROM billing.usage_events
WHERE subject_id = $1 AND billing = 'unreported' AND seq <= $2 ORDER BY seq LIMIT $3
"""

INSERT_REPORT: Final = """
INSERT INTO billing.meter_reports (
  id, identifier, account_id, subject_id, stripe_customer_id, quantity, meter_timestamp,
  period_start, first_seq, last_seq, head
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, decode($11, 'hex'))
"""

ASSIGN_EVENTS: Final = """
UPDATE billing.usage_events SET billing = 'assigned', report_id = $3, price_id = $4
WHERE subject_id = $1 AND seq = ANY($2::bigint[]) AND billing = 'unreported'
"""

REPORT: Final = """
id, identifier, account_id, subject_id, stripe_customer_id, quantity, meter_timestamp,
period_start, first_seq, last_seq, encode(head, 'hex') AS head, state, attempts, first_sent_at,
last_sent_at, reported_at
"""

LIST_OPEN: Final = f"""
SELECT {REPORT} FROM billing.meter_reports
WHERE subject_id = $1 AND {_OPEN} ORDER BY first_seq, created_at
"""  # noqa: S608  # fixed column names

# The next attempt is due when the one that begins here has certainly ended.
BEGIN_ATTEMPT: Final = f"""
UPDATE billing.meter_reports r SET
  state = CASE WHEN old.is_late THEN 'AMBIGUOUS' ELSE 'SENDING' END,
  attempts = r.attempts + 1,
  first_sent_at = coalesce(r.first_sent_at, clock_timestamp()),
  last_sent_at = CASE WHEN old.is_late THEN r.last_sent_at ELSE clock_timestamp() END,
  next_attempt_at = clock_timestamp() + interval '60 s'
FROM (
  SELECT id, state = 'AMBIGUOUS'
    OR coalesce(first_sent_at <= clock_timestamp() - $2::interval, false) AS is_late
  FROM billing.meter_reports
  WHERE id = $1 AND {_OPEN} AND next_attempt_at <= clock_timestamp() FOR UPDATE
) old
WHERE r.id = old.id
RETURNING {REPORT.replace("id,", "r.id,", 1)}
"""  # noqa: S608  # fixed column names

RESTART: Final = f"""
UPDATE billing.meter_reports SET
  state = 'SENDING', first_sent_at = clock_timestamp(), last_sent_at = clock_timestamp(),
  next_attempt_at = clock_timestamp() + interval '60 s', error = NULL
WHERE id = $1 AND state = 'AMBIGUOUS'
RETURNING {REPORT}
"""  # noqa: S608  # fixed column names

FINISH: Final = """
UPDATE billing.meter_reports SET
  state = $2, error = $3,
  reported_at = CASE WHEN $2 = 'REPORTED' THEN clock_timestamp() ELSE reported_at END
WHERE id = $1 AND state IN ('SENDING', 'AMBIGUOUS')
"""

POSTPONE: Final = f"""
UPDATE billing.meter_reports SET
  error = $3, next_attempt_at = clock_timestamp() + $2 * interval '1 s'
WHERE id = $1 AND {_OPEN}
"""  # noqa: S608  # fixed column names

WEIGH_WINDOW: Final = f"""
SELECT
  coalesce(sum(quantity) FILTER (WHERE state = 'REPORTED'), 0)::bigint AS known,
  coalesce(sum(quantity) FILTER (
    WHERE {_OPEN} AND first_sent_at IS NOT NULL AND id <> $2
  ), 0)::bigint AS others
FROM billing.meter_reports
WHERE stripe_customer_id = $1 AND account_id = $3
  AND meter_timestamp >= $4 AND meter_timestamp < $5
"""  # noqa: S608  # fixed column names

MARK_PUBLISHED: Final = f"""
UPDATE billing.meter_reports SET published_at = clock_timestamp()
WHERE subject_id = $1 AND state = 'REPORTED' AND published_at IS NULL
RETURNING {REPORT}
"""  # noqa: S608  # fixed column names

LIST_PUBLISHED: Final = f"""
SELECT {REPORT} FROM billing.meter_reports
WHERE subject_id = $1 AND state = 'REPORTED' AND published_at > now() - interval '1 day'
ORDER BY first_seq
"""  # noqa: S608  # fixed column names
