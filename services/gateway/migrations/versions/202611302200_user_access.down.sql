SET LOCAL ROLE msaas_owner;

REVOKE UPDATE (role, banned_at, sessions_ended_at) ON identity.users FROM svc_gateway;

ALTER TABLE identity.users DROP COLUMN sessions_ended_at;

RESET ROLE;
