DROP TABLE jobs.failed_job_resolutions;

DROP TABLE jobs.dead_letter_replays;

ALTER TABLE jobs.message_dead_letters
  DROP COLUMN reason,
  DROP COLUMN resolved_by,
  DROP COLUMN correlation_id,
  DROP COLUMN message_type,
  DROP COLUMN message_id;
