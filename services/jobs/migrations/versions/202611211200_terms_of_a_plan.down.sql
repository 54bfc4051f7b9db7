ALTER TABLE jobs.subjects DROP COLUMN terms, DROP COLUMN paid_until;
