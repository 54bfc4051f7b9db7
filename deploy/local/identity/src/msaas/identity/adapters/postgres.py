"""The identity database: its tables, the users, their sessions and the signing keys."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from asyncpg import CheckViolationError, Record, UniqueViolationError

from msaas.identity.adapters.one_time_postgres import SCHEMA as ONE_TIME_SCHEMA
from msaas.identity.application.ports import (
    PresentedToken,
    SignOutScope,
    UserAccount,
    UserChange,
)
from msaas.identity.domain.errors import EmailExists, UserAlreadyExists, ValidationFailed
from msaas.identity.domain.sessions import Session
from msaas.identity.domain.signing_keys import KeyUse, SigningKey
from msaas.identity.domain.users import User
from msaas.postgres import Database, DatabaseConnection

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
        await connection.execute(ONE_TIME_SCHEMA)


# A permanent ban is infinity in Postgres, which Python's datetime lacks.
_USER_COLUMNS: Final = """
    id, email, password_hash, app_metadata, user_metadata, last_sign_in_at, created_at, updated_at,
    CASE banned_until WHEN 'infinity' THEN '9999-12-31Z' ELSE banned_until END AS banned_until
"""
_ADD_USER: Final = """
INSERT INTO auth.users
    (id, email, password_hash, app_metadata, user_metadata, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_CHANGE_USER: Final = f"""
UPDATE auth.users SET
    email = coalesce($2, email),
    password_hash = coalesce($3, password_hash),
    user_metadata = (user_metadata || $4::jsonb) - $5::text[],
    app_metadata = coalesce($6::jsonb, app_metadata),
    updated_at = now()
WHERE id = $1
RETURNING {_USER_COLUMNS}
"""  # noqa: S608 - constants only


class PostgresAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: User, password_hash: str) -> None:
        values = (
            *(user.id, user.email, password_hash),
            *(_json(user.app_metadata), _json(user.user_metadata)),
            *(user.created_at, user.updated_at),
        )
        try:
            async with self._database.connection() as connection:
                await connection.execute(_ADD_USER, *values)
        except UniqueViolationError as error:
            raise UserAlreadyExists from error
        except CheckViolationError as error:
            raise _metadata_too_large() from error

    async def find(self, user_id: UUID) -> UserAccount | None:
        return await self._find("id", user_id)

    async def find_by_email(self, email: str) -> UserAccount | None:
        return await self._find("email", email)

    async def change(
        self, user_id: UUID, change: UserChange, *, keep_session: UUID | None = None
    ) -> User:
        removed = [name for name, value in change.user_metadata.items() if value is None]
        app_metadata = None if change.app_metadata is None else _json(change.app_metadata)
        values = (
            change.email,
            change.password_hash,
            _json(change.user_metadata),
            removed,
            app_metadata,
        )
        try:
            async with self._database.transaction() as connection:
                row = await connection.fetchrow(_CHANGE_USER, user_id, *values)
                if change.password_hash:
                    await connection.execute(
                        "DELETE FROM auth.sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2",
                        *(user_id, keep_session),
                    )
        except UniqueViolationError as error:
            raise EmailExists from error
        except CheckViolationError as error:
            raise _metadata_too_large() from error
        if row is None:
            raise ValidationFailed("The user has been deleted meanwhile")
        return _account(row).user

    async def _find(self, column: str, value: object) -> UserAccount | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_USER_COLUMNS} FROM auth.users WHERE {column} = $1",  # noqa: S608 - see above
                value,
            )
        return _account(row) if row else None


def _account(row: Record) -> UserAccount:
    fields = dict(row)
    password_hash = fields.pop("password_hash")
    for name in ("app_metadata", "user_metadata"):
        fields[name] = orjson.loads(fields[name])
    return UserAccount(User(**fields), password_hash)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _metadata_too_large() -> ValidationFailed:
    return ValidationFailed("The user metadata is too large")


_OPEN_SESSION: Final = """
WITH opened AS (
    INSERT INTO auth.sessions (id, user_id, secret, generation, created_at, method)
    VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING user_id, created_at
)
UPDATE auth.users SET last_sign_in_at = opened.created_at FROM opened WHERE id = opened.user_id
"""
_ADD_DIGEST: Final = """
INSERT INTO auth.refresh_tokens (digest, session_id, generation) VALUES ($1, $2, $3)
"""
_FIND_SESSION: Final = "SELECT * FROM auth.sessions WHERE id = $1"
_FIND_BY_DIGEST: Final = """
SELECT s.*, t.generation AS presented
FROM auth.refresh_tokens t JOIN auth.sessions s ON s.id = t.session_id
WHERE t.digest = $1
"""
_ROTATE_SESSION: Final = """
WITH moved AS (
    UPDATE auth.sessions SET generation = generation + 1
    WHERE id = $1 AND generation = $2 AND revoked_at IS NULL
    RETURNING id, generation
)
INSERT INTO auth.refresh_tokens (digest, session_id, generation)
SELECT $3, id, generation FROM moved
RETURNING true
"""
_REVOKE_SESSION: Final = (
    "UPDATE auth.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
)
_CLOSE_SESSIONS: Final = {
    SignOutScope.GLOBAL: "DELETE FROM auth.sessions WHERE user_id = $1 AND $2::uuid IS NOT NULL",
    SignOutScope.LOCAL: "DELETE FROM auth.sessions WHERE user_id = $1 AND id = $2",
    SignOutScope.OTHERS: "DELETE FROM auth.sessions WHERE user_id = $1 AND id <> $2",
}


class PostgresSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: Session, token: bytes) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                _OPEN_SESSION,
                *(session.id, session.user_id, session.secret),
                *(session.generation, session.created_at, session.method),
            )
            await connection.execute(_ADD_DIGEST, token, session.id, session.generation)

    async def find(self, session_id: UUID) -> Session | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_SESSION, session_id)
        return _session(row) if row else None

    async def find_by_refresh_token(self, token: bytes) -> PresentedToken | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_BY_DIGEST, token)
        return PresentedToken(_session(row), row["presented"]) if row else None

    async def rotate(self, session: Session, child: bytes) -> bool:
        async with self._database.connection() as connection:
            return bool(
                await connection.fetchval(_ROTATE_SESSION, session.id, session.generation, child)
            )

    async def revoke(self, session_id: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_REVOKE_SESSION, session_id)

    async def close(self, session: Session, scope: SignOutScope) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_CLOSE_SESSIONS[scope], session.user_id, session.id)


def _session(row: Record) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        secret=row["secret"],
        created_at=row["created_at"],
        generation=row["generation"],
        method=row["method"],
        revoked=row["revoked_at"] is not None,
    )


_LIST_KEYS: Final = "SELECT kid, use, since, jwk FROM auth.signing_keys ORDER BY since, kid"
_ADD_KEY: Final = "INSERT INTO auth.signing_keys (kid, use, since, jwk) VALUES ($1, $2, $3, $4)"


class PostgresSigningKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[SigningKey]:
        async with self._database.connection() as connection:
            return await _read_keys(connection)

    async def change(
        self, change: Callable[[Sequence[SigningKey]], Sequence[SigningKey]]
    ) -> Sequence[SigningKey]:
        async with self._database.transaction(lock_timeout=None) as connection:
            # Readers do not wait: they see the old keys until the commit.
            await connection.execute("LOCK TABLE auth.signing_keys IN EXCLUSIVE MODE")
            before = await _read_keys(connection)
            keys = change(before)
            if keys != before:
                await connection.execute("DELETE FROM auth.signing_keys")
                rows = [(key.kid, key.use, key.since, key.jwk) for key in keys]
                await connection.executemany(_ADD_KEY, rows)
        return keys


async def _read_keys(connection: DatabaseConnection) -> Sequence[SigningKey]:
    return [
        SigningKey(kid=row["kid"], use=KeyUse(row["use"]), since=row["since"], jwk=row["jwk"])
        for row in await connection.fetch(_LIST_KEYS)
    ]
