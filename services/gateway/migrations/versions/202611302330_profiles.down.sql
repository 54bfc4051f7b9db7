SET LOCAL ROLE msaas_owner;

DROP VIEW api_v1.me;

CREATE VIEW api_v1.me WITH (security_invoker = true) AS
  SELECT id, email, display_name, avatar, role, plan, locale, created_at, updated_at, version
  FROM identity.users;

GRANT SELECT ON api_v1.me TO authenticated;

REVOKE UPDATE (display_name, locale) ON identity.users FROM svc_gateway;

-- squawk-ignore ban-drop-column
ALTER TABLE identity.users DROP COLUMN quota_notifications;

RESET ROLE;
