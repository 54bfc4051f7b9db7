SET LOCAL ROLE msaas_owner;

-- When retention removed what the user gave and got, and when it removed the files.
ALTER TABLE jobs.jobs
  ADD COLUMN content_removed_at timestamptz,
  ADD COLUMN artifacts_removed_at timestamptz;

CREATE OR REPLACE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version, decided_by_fence AS decided_by, content_removed_at
  FROM jobs.jobs;

GRANT SELECT (content_removed_at) ON jobs.jobs TO authenticated;

-- What remains of usage events that are older than 25 months: how many links of the chain they were,
-- what they sum up to, and the hash of the last. A checkpoint covers consecutive events of one period.
CREATE TABLE jobs.usage_checkpoints (
  subject_id uuid NOT NULL REFERENCES jobs.subjects,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  period_start timestamptz NOT NULL,
  completions bigint NOT NULL DEFAULT 0,
  corrections bigint NOT NULL DEFAULT 0,
  head bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subject_id, first_seq),
  CONSTRAINT usage_checkpoints_seq_counts CHECK (1 <= first_seq AND first_seq <= last_seq),
  CONSTRAINT usage_checkpoints_head_is_sha256 CHECK (octet_length(head) = 32)
);

-- A checkpoint is computed from the events that it covers, which must be there, linked and old
-- enough: whoever writes one can choose nothing but how far it reaches.
CREATE FUNCTION jobs.check_usage_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  previous jobs.usage_checkpoints;
  covered record;
BEGIN
  IF TG_OP NOT IN ('INSERT', 'UPDATE') THEN
    RAISE restrict_violation USING MESSAGE = 'usage checkpoints are append-only';
  END IF;
  SELECT * INTO previous FROM jobs.usage_checkpoints
    WHERE subject_id = NEW.subject_id ORDER BY first_seq DESC LIMIT 1;
  previous.last_seq := coalesce(previous.last_seq, 0);
  previous.head := coalesce(previous.head, decode(repeat('00', 32), 'hex'));
  IF TG_OP = 'INSERT' THEN
    NEW.first_seq := previous.last_seq + 1;
    NEW.completions := 0;
    NEW.corrections := 0;
  ELSIF (OLD.subject_id, OLD.first_seq, OLD.period_start) IS DISTINCT FROM
      (NEW.subject_id, NEW.first_seq, NEW.period_start)
      OR OLD.first_seq <> previous.first_seq OR NEW.last_seq <= OLD.last_seq THEN
    RAISE restrict_violation USING MESSAGE = 'only the last usage checkpoint grows';
  ELSE
    NEW.completions := OLD.completions;
    NEW.corrections := OLD.corrections;
  END IF;
  SELECT count(*) AS links, max(occurred_at) AS latest,
    bool_and(period_start = NEW.period_start) AS of_one_period,
    coalesce(sum(quantity) FILTER (WHERE kind = 'job_completed'), 0) AS completions,
    coalesce(sum(quantity) FILTER (WHERE kind = 'reconciliation_adjustment'), 0) AS corrections,
    bool_and(
      seq_before = seq - 1 AND hash_before = prev_hash AND hash = jobs.usage_hash(
        subject_id, seq, job_id, quantity, occurred_at, prev_hash
      )
    ) AS linked,
    (array_agg(hash ORDER BY seq DESC))[1] AS head
  INTO covered
  FROM (
    SELECT *, lag(seq, 1, previous.last_seq) OVER chain AS seq_before,
      lag(hash, 1, previous.head) OVER chain AS hash_before
    FROM jobs.usage_events
    WHERE subject_id = NEW.subject_id AND seq > previous.last_seq AND seq <= NEW.last_seq
    WINDOW chain AS (ORDER BY seq)
  ) AS events;
  IF covered.links <> NEW.last_seq - previous.last_seq OR covered.linked IS NOT TRUE THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'the events of a usage checkpoint do not follow the previous one';
  END IF;
  IF NOT covered.of_one_period OR covered.latest > now() - interval '25 months' THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'a usage checkpoint covers one period that is older than 25 months';
  END IF;
  NEW.completions := NEW.completions + covered.completions;
  NEW.corrections := NEW.corrections + covered.corrections;
  NEW.head := covered.head;
  RETURN NEW;
END $$;

CREATE TRIGGER compute BEFORE INSERT OR UPDATE OR DELETE ON jobs.usage_checkpoints
  FOR EACH ROW EXECUTE FUNCTION jobs.check_usage_checkpoint();

CREATE TRIGGER append_only BEFORE TRUNCATE ON jobs.usage_checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.check_usage_checkpoint();

-- Rolls up the oldest events of a subject, of one period and at most that many; returns their number.
CREATE FUNCTION jobs.roll_up_usage(rolled_subject uuid, most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  previous jobs.usage_checkpoints;
  period timestamptz;
  up_to bigint;
  rolled_up integer;
BEGIN
  SELECT period_start INTO period FROM jobs.usage_events
    WHERE subject_id = rolled_subject ORDER BY seq LIMIT 1;
  SELECT max(seq) INTO up_to FROM (
    SELECT seq, bool_and(occurred_at < now() - interval '25 months' AND period_start = period)
      OVER (ORDER BY seq) AS is_due
    FROM (
      SELECT seq, occurred_at, period_start FROM jobs.usage_events
      WHERE subject_id = rolled_subject ORDER BY seq LIMIT most
    ) AS oldest
  ) AS checked WHERE is_due;
  IF up_to IS NULL THEN
    RETURN 0;
  END IF;
  SELECT * INTO previous FROM jobs.usage_checkpoints
    WHERE subject_id = rolled_subject ORDER BY first_seq DESC LIMIT 1;
  IF previous.period_start = period THEN
    UPDATE jobs.usage_checkpoints SET last_seq = up_to
      WHERE subject_id = rolled_subject AND first_seq = previous.first_seq;
  ELSE
    INSERT INTO jobs.usage_checkpoints (subject_id, first_seq, last_seq, period_start, head)
      VALUES (rolled_subject, coalesce(previous.last_seq, 0) + 1, up_to, period, '');
  END IF;
  DELETE FROM jobs.usage_events WHERE subject_id = rolled_subject AND seq <= up_to;
  GET DIAGNOSTICS rolled_up = ROW_COUNT;
  RETURN rolled_up;
END $$;

-- An event may go once a checkpoint covers it.
CREATE OR REPLACE FUNCTION jobs.keep_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    OLD.user_id := NULL; -- all that erasure may change
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'DELETE' THEN
    IF EXISTS (
      SELECT FROM jobs.usage_checkpoints
      WHERE subject_id = OLD.subject_id AND last_seq >= OLD.seq
    ) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE restrict_violation USING MESSAGE = 'usage events are append-only';
END $$;

ALTER TABLE jobs.usage_checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON jobs.usage_checkpoints TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.usage_checkpoints TO msaas_backfill USING (true) WITH CHECK (true);

REVOKE EXECUTE ON FUNCTION jobs.check_usage_checkpoint, jobs.roll_up_usage FROM PUBLIC;

GRANT EXECUTE ON FUNCTION jobs.roll_up_usage TO svc_jobs;

GRANT SELECT, INSERT, UPDATE (last_seq) ON jobs.usage_checkpoints TO svc_jobs;

GRANT SELECT ON jobs.usage_checkpoints TO msaas_backfill;

-- The trigger decides which.
GRANT DELETE ON jobs.usage_events TO svc_jobs;

RESET ROLE;
