SET LOCAL ROLE msaas_owner;

-- Without a default, so that no row is written.
ALTER TABLE identity.users ADD COLUMN sessions_ended_at timestamptz;

GRANT UPDATE (role, banned_at, sessions_ended_at) ON identity.users TO svc_gateway;

RESET ROLE;
