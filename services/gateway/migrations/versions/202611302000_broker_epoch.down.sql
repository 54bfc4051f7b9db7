-- squawk-ignore-file renaming-table, renaming-column, renaming-object
SET LOCAL ROLE msaas_owner;

ALTER TABLE identity.broker_epoch
  RENAME CONSTRAINT broker_epoch_is_one_row TO wire_epoch_is_one_row;

ALTER TABLE identity.broker_epoch RENAME CONSTRAINT broker_epoch_pkey TO wire_epoch_pkey;

ALTER TABLE identity.broker_epoch RENAME COLUMN handled_at TO served_at;

ALTER TABLE identity.broker_epoch RENAME TO wire_epoch;

RESET ROLE;
