-- squawk-ignore-file renaming-table, renaming-column, renaming-object
SET LOCAL ROLE msaas_owner;

-- One row, and each statement changes the catalogue only.
ALTER TABLE identity.wire_epoch RENAME TO broker_epoch;

ALTER TABLE identity.broker_epoch RENAME COLUMN served_at TO handled_at;

ALTER TABLE identity.broker_epoch RENAME CONSTRAINT wire_epoch_pkey TO broker_epoch_pkey;

ALTER TABLE identity.broker_epoch
  RENAME CONSTRAINT wire_epoch_is_one_row TO broker_epoch_is_one_row;

RESET ROLE;
