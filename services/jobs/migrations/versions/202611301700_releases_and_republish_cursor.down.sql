SET LOCAL ROLE msaas_owner;

ALTER TABLE jobs.broker_epoch DROP COLUMN cursor_seq, DROP COLUMN cursor_subject_id;

ALTER TABLE jobs.jobs DROP COLUMN releases;

RESET ROLE;
