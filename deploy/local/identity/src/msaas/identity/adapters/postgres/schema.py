"""The tables of the identity database, created where they are missing."""

from typing import Final

from msaas.postgres import Database

# A token contains the user's metadata and must stay below the gateway's limit of 8 KiB.
MAX_METADATA_BYTES: Final = 4096

_SCHEMA: Final = f"""
SELECT pg_advisory_xact_lock(hashtextextended('msaas.identity', 0));
CREATE SCHEMA IF NOT EXISTS auth;
CREATE TABLE IF NOT EXISTS auth.users (
    id uuid PRIMARY KEY,
    email text NOT NULL CONSTRAINT users_email_key UNIQUE,
    password_hash text NOT NULL,
    app_metadata jsonb NOT NULL,
    user_metadata jsonb NOT NULL CONSTRAINT users_user_metadata_size
        CHECK (octet_length(user_metadata::text) <= {MAX_METADATA_BYTES}),
    banned_until timestamptz,
    last_sign_in_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS auth.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    secret bytea NOT NULL,
    generation integer NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX IF NOT EXISTS sessions_user_id_idx ON auth.sessions (user_id);
CREATE TABLE IF NOT EXISTS auth.refresh_tokens (
    digest bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
    generation integer NOT NULL,
    CONSTRAINT refresh_tokens_generation_key UNIQUE (session_id, generation)
);
CREATE TABLE IF NOT EXISTS auth.signing_keys (
    kid text PRIMARY KEY,
    use text NOT NULL,
    since timestamptz NOT NULL,
    jwk text NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS signing_keys_one_signs
    ON auth.signing_keys (use) WHERE use <> 'previous';
"""


async def ensure_schema(database: Database) -> None:
    async with database.transaction(lock_timeout=None) as connection:
        await connection.execute(_SCHEMA)
