SET LOCAL ROLE msaas_owner;

DROP VIEW api_v1.bulk_changes;

-- squawk-ignore ban-drop-table
DROP TABLE jobs.bulk_changes;

RESET ROLE;
