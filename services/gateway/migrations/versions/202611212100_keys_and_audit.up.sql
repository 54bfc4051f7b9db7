SET LOCAL ROLE msaas_owner;

-- The key that took its place: a key is turned over once.
ALTER TABLE identity.api_keys ADD COLUMN replaced_by uuid;

-- Fewer than the plan allows its user, where it is set.
ALTER TABLE identity.api_keys ADD COLUMN requests_per_minute integer;

-- What has happened and is still to be told, or was told to a wire that may have lost it.
CREATE TABLE identity.audit_outbox (
  id uuid PRIMARY KEY,
  body jsonb NOT NULL,
  correlation_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz
);

CREATE INDEX audit_outbox_unsent ON identity.audit_outbox (id) WHERE sent_at IS NULL;

ALTER TABLE identity.audit_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keeper ON identity.audit_outbox TO svc_gateway USING (true) WITH CHECK (true);

CREATE POLICY backfill ON identity.audit_outbox TO msaas_backfill USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.audit_outbox TO svc_gateway;

GRANT SELECT, UPDATE ON identity.audit_outbox TO msaas_backfill;

CREATE VIEW api_v1.api_keys WITH (security_invoker = true) AS
  SELECT id, name, prefix, scopes, requests_per_minute, created_at, last_used_at, expires_at,
    revoked_at, replaced_by
  FROM identity.api_keys;

GRANT SELECT ON api_v1.api_keys TO authenticated;

-- The view is read with the user's own rights: never the hash.
GRANT SELECT (
  id, name, prefix, scopes, requests_per_minute, created_at, last_used_at, expires_at, revoked_at,
  replaced_by
) ON identity.api_keys TO authenticated;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON identity.api_keys FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
