SET LOCAL ROLE msaas_owner;

CREATE OR REPLACE FUNCTION jobs.link_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.hash IS DISTINCT FROM jobs.usage_hash(
    NEW.subject_id, NEW.seq, NEW.job_id, NEW.quantity, NEW.occurred_at, NEW.prev_hash
  ) THEN
    RAISE integrity_constraint_violation USING MESSAGE = 'usage event does not hash to its hash';
  END IF;
  UPDATE jobs.subjects SET last_seq = NEW.seq, head = NEW.hash
  WHERE subject_id = NEW.subject_id AND last_seq = NEW.seq - 1 AND head = NEW.prev_hash;
  IF NOT FOUND THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'usage event does not follow the head of its subject';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER link ON jobs.usage_events;

CREATE TRIGGER link AFTER INSERT ON jobs.usage_events
  FOR EACH ROW EXECUTE FUNCTION jobs.link_usage_event();

RESET ROLE;
