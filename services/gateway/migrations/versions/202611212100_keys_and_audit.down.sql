DROP VIEW api_v1.api_keys;

DROP POLICY own_rows ON identity.api_keys;

REVOKE SELECT (
  id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at
) ON identity.api_keys FROM authenticated;

DROP TABLE identity.audit_outbox;

ALTER TABLE identity.api_keys DROP COLUMN requests_per_minute;

ALTER TABLE identity.api_keys DROP COLUMN replaced_by;
