-- The stamp is longer than what Alembic makes room for; the table is new and empty.
-- squawk-ignore changing-column-type
ALTER TABLE identity.alembic_version ALTER COLUMN version_num TYPE text;

-- A role may be in the making for another database of the server: nobody queues behind that wait.
SET LOCAL lock_timeout = '1min';

-- Roles belong to the server, not to this database: made where missing, never dropped. Logins get
-- their passwords from whoever deploys.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY[
    'msaas_owner NOLOGIN',
    'msaas_backfill NOLOGIN',
    'anon NOLOGIN NOINHERIT',
    'authenticated NOLOGIN NOINHERIT',
    'service_role NOLOGIN NOINHERIT BYPASSRLS',
    'svc_gateway_read LOGIN NOINHERIT IN ROLE authenticated',
    'svc_gateway LOGIN NOINHERIT'
  ] LOOP
    IF to_regrole(split_part(wanted, ' ', 1)) IS NULL THEN
      BEGIN
        EXECUTE 'CREATE ROLE ' || wanted;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- the other one has made it
      END;
    END IF;
  END LOOP;
  IF NOT pg_has_role('svc_gateway_read', 'authenticated', 'MEMBER') THEN
    GRANT authenticated TO svc_gateway_read;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    GRANT msaas_owner, msaas_backfill TO CURRENT_USER;
  END IF;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO msaas_owner', current_database());
END $$;

SET LOCAL lock_timeout = '2s';

CREATE EXTENSION IF NOT EXISTS citext;

-- Supabase brings these along; anywhere else they read the same claims.
DO $$
BEGIN
  IF to_regprocedure('auth.uid()') IS NULL THEN
    CREATE SCHEMA IF NOT EXISTS auth;
    GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE
      RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
      RETURN (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;
    CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE
      RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role';
  END IF;
END $$;

ALTER SCHEMA identity OWNER TO msaas_owner;

SET LOCAL ROLE msaas_owner;

CREATE SCHEMA api_v1;

CREATE FUNCTION identity.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := greatest(OLD.updated_at + interval '1 microsecond', clock_timestamp());
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

CREATE TABLE identity.users (
  id uuid PRIMARY KEY,
  email citext,
  display_name text,
  avatar text,
  role text NOT NULL DEFAULT 'user',
  plan text NOT NULL DEFAULT 'FREE',
  plan_version bigint NOT NULL DEFAULT 0,
  stripe_customer_id text UNIQUE,
  locale text,
  last_seen_at timestamptz,
  banned_at timestamptz,
  erased_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT users_role_known CHECK (role IN ('user', 'operator')),
  CONSTRAINT users_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT users_tombstone_is_blank CHECK (
    erased_at IS NULL OR num_nonnulls(email, display_name, avatar, stripe_customer_id, locale) = 0
  )
);

CREATE UNIQUE INDEX users_living_email ON identity.users (email)
  WHERE erased_at IS NULL AND deleted_at IS NULL;

CREATE TABLE identity.api_keys (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  name text NOT NULL,
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL DEFAULT '{}',
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT api_keys_hash_is_sha256 CHECK (octet_length(hash) = 32)
);

CREATE INDEX api_keys_by_user ON identity.api_keys (user_id);

CREATE TABLE identity.flags (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  scope text NOT NULL DEFAULT 'global',
  value jsonb NOT NULL,
  changed_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  UNIQUE (name, scope)
);

CREATE TABLE identity.wire_epoch (
  only_row boolean PRIMARY KEY DEFAULT true,
  epoch text NOT NULL,
  served_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT wire_epoch_is_one_row CHECK (only_row)
);

CREATE TRIGGER touch BEFORE UPDATE ON identity.users
  FOR EACH ROW EXECUTE FUNCTION identity.touch();

CREATE TRIGGER touch BEFORE UPDATE ON identity.api_keys
  FOR EACH ROW EXECUTE FUNCTION identity.touch();

CREATE TRIGGER touch BEFORE UPDATE ON identity.flags
  FOR EACH ROW EXECUTE FUNCTION identity.touch();

ALTER TABLE identity.users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE identity.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE identity.flags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE identity.wire_epoch ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keeper ON identity.users TO svc_gateway USING (true) WITH CHECK (true);

CREATE POLICY keeper ON identity.api_keys TO svc_gateway USING (true) WITH CHECK (true);

CREATE POLICY keeper ON identity.flags TO svc_gateway USING (true) WITH CHECK (true);

CREATE POLICY keeper ON identity.wire_epoch TO svc_gateway USING (true) WITH CHECK (true);

CREATE POLICY backfill ON identity.users TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON identity.api_keys TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON identity.flags TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON identity.wire_epoch TO msaas_backfill USING (true) WITH CHECK (true);

CREATE VIEW api_v1.me WITH (security_invoker = true) AS
  SELECT id, email, display_name, avatar, role, plan, locale, created_at, updated_at, version
  FROM identity.users;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;

GRANT USAGE ON SCHEMA api_v1 TO authenticated;

GRANT USAGE ON SCHEMA identity TO svc_gateway, msaas_backfill;

GRANT SELECT ON api_v1.me TO authenticated;

-- The view is read with the user's own rights, so these are its columns.
GRANT SELECT (
  id, email, display_name, avatar, role, plan, locale, created_at, updated_at, version
) ON identity.users TO authenticated;

GRANT SELECT, INSERT, UPDATE ON identity.users, identity.wire_epoch TO svc_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.api_keys, identity.flags TO svc_gateway;

GRANT SELECT, UPDATE ON identity.users, identity.api_keys, identity.flags, identity.wire_epoch
  TO msaas_backfill;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON identity.users FOR SELECT TO authenticated
  USING (id = (SELECT auth.uid()) AND erased_at IS NULL AND deleted_at IS NULL);
