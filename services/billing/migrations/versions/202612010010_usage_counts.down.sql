SET LOCAL ROLE msaas_owner;

-- squawk-ignore ban-drop-table
DROP TABLE billing.usage_counts;

RESET ROLE;
