SET LOCAL ROLE msaas_owner;

-- Runs once for all that a statement has really added. What two transactions add behind the same head
-- has the same numbers, and the key lets one of them through.
CREATE OR REPLACE FUNCTION jobs.link_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  IF EXISTS (
    SELECT FROM added WHERE hash IS DISTINCT FROM jobs.usage_hash(
      subject_id, seq, job_id, quantity, occurred_at, prev_hash
    )
  ) THEN
    RAISE integrity_constraint_violation USING MESSAGE = 'usage event does not hash to its hash';
  END IF;
  UPDATE jobs.subjects s SET last_seq = whole.last_seq, head = whole.head
  FROM (
    SELECT subject_id, min(seq) AS first_seq, max(seq) AS last_seq,
      (array_agg(prev_hash ORDER BY seq))[1] AS before, (array_agg(hash ORDER BY seq DESC))[1] AS head
    FROM (
      SELECT subject_id, seq, prev_hash, hash,
        lag(seq, 1, seq - 1) OVER chain = seq - 1
          AND lag(hash, 1, prev_hash) OVER chain = prev_hash AS follows
      FROM added WINDOW chain AS (PARTITION BY subject_id ORDER BY seq)
    ) AS linked
    GROUP BY subject_id HAVING bool_and(follows)
  ) AS whole
  WHERE s.subject_id = whole.subject_id
    AND s.last_seq = whole.first_seq - 1 AND s.head = whole.before;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> (SELECT count(DISTINCT subject_id) FROM added) THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'usage event does not follow the head of its subject';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER link ON jobs.usage_events;

CREATE TRIGGER link AFTER INSERT ON jobs.usage_events REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.link_usage_event();

RESET ROLE;
