SET LOCAL ROLE msaas_owner;

-- What can be read of an entry's headers, and what an operator said in the end.
ALTER TABLE jobs.message_dead_letters
  ADD COLUMN message_id uuid,
  ADD COLUMN message_type text,
  ADD COLUMN correlation_id text,
  ADD COLUMN resolved_by uuid,
  ADD COLUMN reason text;

-- Wanted until `replayed_at` is set; afterwards what the limits count. A letter is a row of
-- message_dead_letters or a job, hence no foreign key.
CREATE TABLE jobs.dead_letter_replays (
  id uuid PRIMARY KEY,
  letter_id uuid NOT NULL,
  topic text NOT NULL,
  due_at timestamptz NOT NULL,
  asked_by uuid,
  replay_id uuid,
  replayed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT dead_letter_replays_done_by_a_command CHECK (
    (replay_id IS NULL) = (replayed_at IS NULL)
  )
);

CREATE UNIQUE INDEX dead_letter_replays_one_wanted ON jobs.dead_letter_replays (letter_id)
  WHERE replayed_at IS NULL;

CREATE INDEX dead_letter_replays_due ON jobs.dead_letter_replays (due_at)
  WHERE replayed_at IS NULL;

CREATE INDEX dead_letter_replays_done ON jobs.dead_letter_replays (replayed_at);

CREATE INDEX dead_letter_replays_by_letter ON jobs.dead_letter_replays (letter_id);

-- The failure that an operator has closed; a job that fails again is open again.
CREATE TABLE jobs.failed_job_resolutions (
  job_id uuid NOT NULL REFERENCES jobs.jobs ON DELETE CASCADE,
  failed_at timestamptz NOT NULL,
  resolved_at timestamptz NOT NULL DEFAULT now(),
  resolved_by uuid NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (job_id, failed_at)
);

ALTER TABLE jobs.dead_letter_replays ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.failed_job_resolutions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keeper ON jobs.dead_letter_replays TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.failed_job_resolutions TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.dead_letter_replays TO msaas_backfill
  USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.failed_job_resolutions TO msaas_backfill
  USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE
  ON jobs.dead_letter_replays, jobs.failed_job_resolutions TO svc_jobs;

GRANT SELECT, UPDATE ON jobs.dead_letter_replays, jobs.failed_job_resolutions TO msaas_backfill;

RESET ROLE;
