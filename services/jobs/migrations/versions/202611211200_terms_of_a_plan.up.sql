SET LOCAL ROLE msaas_owner;

-- What the subscription grants beside its plan, and until when it is known to be paid.
ALTER TABLE jobs.subjects
  ADD COLUMN terms jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN paid_until timestamptz;

RESET ROLE;
