-- squawk-ignore-file constraint-missing-not-valid
SET LOCAL ROLE msaas_owner;

ALTER TABLE jobs.jobs ADD COLUMN releases smallint NOT NULL DEFAULT 0;

-- The table has one row.
ALTER TABLE jobs.broker_epoch
  ADD COLUMN cursor_subject_id uuid,
  ADD COLUMN cursor_seq bigint,
  ADD CONSTRAINT broker_epoch_cursor_complete CHECK (
    num_nulls(cursor_subject_id, cursor_seq) IN (0, 2)
  );

RESET ROLE;
