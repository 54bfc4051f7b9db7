SET LOCAL ROLE msaas_owner;

-- In percent of the quota; a constant default writes no row.
ALTER TABLE identity.users
  ADD COLUMN quota_notifications smallint[] NOT NULL DEFAULT '{50,80,100}';

GRANT UPDATE (display_name, locale, quota_notifications) ON identity.users TO svc_gateway;

CREATE OR REPLACE VIEW api_v1.me WITH (security_invoker = true) AS
  SELECT id, email, display_name, avatar, role, plan, locale, created_at, updated_at, version,
    quota_notifications
  FROM identity.users;

GRANT SELECT (quota_notifications) ON identity.users TO authenticated;

RESET ROLE;
