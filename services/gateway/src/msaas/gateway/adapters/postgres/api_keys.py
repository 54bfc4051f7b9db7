"""API keys in the database: found by hash, changed under the lock of their user's row."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msaas.auth import ApiKeyGrant, Unauthenticated, UserPrincipal
from msaas.gateway.adapters.postgres.audit_outbox import insert_audit_entry
from msaas.gateway.application.audit import AuditEntry
from msaas.gateway.application.key_ports import HashedKey, KeyAttributes, KeyHolder
from msaas.gateway.application.manage_keys import (
    MAX_KEYS,
    MAX_LIVE_KEYS,
    KeyAlreadyShown,
    KeyNotActive,
    KeyNotFound,
    TooManyKeys,
)
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.postgres import Database, DatabaseConnection

_FIND_HOLDER: Final = """
SELECT k.id AS key_id, k.scopes, k.requests_per_minute, k.expires_at,
  u.id, u.email, u.plan, u.stripe_customer_id, u.role
FROM identity.api_keys k JOIN identity.users u ON u.id = k.user_id
WHERE k.hash = ANY($1::bytea[]) AND k.revoked_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > now())
  AND coalesce(u.banned_at, u.erased_at, u.deleted_at) IS NULL
"""
_FIND_INACTIVE: Final = """
SELECT given.id FROM unnest($1::uuid[]) AS given (id)
WHERE NOT EXISTS (
  SELECT FROM identity.api_keys k JOIN identity.users u ON u.id = k.user_id
  WHERE k.id = given.id AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now())
    AND coalesce(u.banned_at, u.erased_at, u.deleted_at) IS NULL
)
"""
# Locked in order: several processes may update the same keys.
_MARK_USED: Final = """
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS g (id, at)
),
locked AS MATERIALIZED (
  SELECT k.id, given.at FROM given JOIN identity.api_keys k USING (id)
  WHERE k.last_used_at IS NULL OR k.last_used_at < given.at ORDER BY k.id FOR NO KEY UPDATE OF k
)
UPDATE identity.api_keys k SET last_used_at = locked.at FROM locked WHERE k.id = locked.id
"""
# Changes of a user's keys lock this row, so that they are counted and applied in sequence.
_LOCK_USER: Final = """
SELECT true FROM identity.users
WHERE id = $1 AND coalesce(banned_at, erased_at, deleted_at) IS NULL FOR NO KEY UPDATE
"""
_COUNT: Final = """
SELECT count(*) FROM identity.api_keys
WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_COLUMNS: Final = (
    "id, name, prefix, scopes, requests_per_minute, created_at, last_used_at, expires_at,"
    " revoked_at, replaced_by"
)
_INSERT: Final = f"""
INSERT INTO identity.api_keys
  (id, user_id, prefix, hash, name, scopes, expires_at, requests_per_minute, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $2)
ON CONFLICT (id) DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608  # constant columns
# The new key of one that expires has the same lifetime, counted from now.
_SELECT_ROTATED: Final = """
SELECT name, scopes, requests_per_minute, now() + (expires_at - created_at) AS expires_at,
  revoked_at IS NULL AND replaced_by IS NULL AND (expires_at IS NULL OR expires_at > now())
    AS is_live
FROM identity.api_keys WHERE id = $1 AND user_id = $2
"""
_REPLACE: Final = """
UPDATE identity.api_keys
SET replaced_by = $2,
  revoked_at = CASE WHEN $3::interval = '0' THEN now() END,
  expires_at = CASE WHEN $3::interval = '0' THEN expires_at
    ELSE least(expires_at, now() + $3::interval) END
WHERE id = $1
"""
_REVOKE: Final = """
UPDATE identity.api_keys SET revoked_at = now()
WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
"""
_SELECT: Final = f"""
SELECT {_COLUMNS}
FROM identity.api_keys WHERE id = $1 AND user_id = $2
"""  # noqa: S608  # constant columns
_REVOKE_ALL: Final = """
UPDATE identity.api_keys SET revoked_at = now()
WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
RETURNING id
"""
# A user has fewer live keys than a page: the pages after the first have ended keys only.
_LIST: Final = f"""
SELECT {_COLUMNS}
FROM api_v1.api_keys CROSS JOIN LATERAL (
  SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS is_live
) AS state
WHERE $1::timestamptz IS NULL OR (NOT is_live AND (created_at, id) < ($1, $2::uuid))
ORDER BY is_live DESC, created_at DESC, id DESC
LIMIT $3
"""  # noqa: S608  # constant columns


class PostgresKeyRepository:
    """Implements KeyLookup and KeyRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_holder(self, hashes: Sequence[bytes]) -> KeyHolder | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_HOLDER, hashes)
        if row is None:
            return None
        grant = ApiKeyGrant(row["key_id"], frozenset(row["scopes"]), row["requests_per_minute"])
        user = (row["id"], row["email"], row["plan"], row["stripe_customer_id"], row["role"])
        return KeyHolder(UserPrincipal(*user, api_key=grant), row["expires_at"])

    async def find_inactive(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        async with self._database.connection() as connection:
            return [row["id"] for row in await connection.fetch(_FIND_INACTIVE, list(key_ids))]

    async def mark_used(self, used: Mapping[UUID, datetime]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_MARK_USED, list(used), list(used.values()))

    async def add(self, key: HashedKey, attributes: KeyAttributes, audit_entry: AuditEntry) -> Row:
        async with self._database.transaction() as connection:
            await _lock_user(connection, key.user_id)
            row = await _insert(connection, key, attributes)
            if await connection.fetchval(_COUNT, key.user_id) > MAX_KEYS:
                raise TooManyKeys
            await insert_audit_entry(connection, audit_entry)
        return row

    async def rotate(
        self, key_id: UUID, new_key: HashedKey, grace: timedelta, audit_entry: AuditEntry
    ) -> Row:
        async with self._database.transaction() as connection:
            await _lock_user(connection, new_key.user_id)
            old = await connection.fetchrow(_SELECT_ROTATED, key_id, new_key.user_id)
            if old is None:
                raise KeyNotFound
            if not old["is_live"]:
                raise KeyNotActive
            attributes = KeyAttributes(
                name=old["name"],
                scopes=old["scopes"],
                expires_at=old["expires_at"],
                requests_per_minute=old["requests_per_minute"],
            )
            row = await _insert(connection, new_key, attributes)
            await connection.execute(_REPLACE, key_id, new_key.id, grace)
            if await connection.fetchval(_COUNT, new_key.user_id) > MAX_LIVE_KEYS:
                raise TooManyKeys
            await insert_audit_entry(connection, audit_entry)
        return row

    async def revoke(self, user_id: UUID, key_id: UUID, audit_entry: AuditEntry) -> Row:
        """Revoke once: a repeat changes nothing and stores no audit entry."""
        async with self._database.transaction() as connection:
            await _lock_user(connection, user_id)
            if await connection.execute(_REVOKE, key_id, user_id) == "UPDATE 1":
                await insert_audit_entry(connection, audit_entry)
            row = await connection.fetchrow(_SELECT, key_id, user_id)
        if row is None:
            raise KeyNotFound
        return dict(row)

    async def revoke_all(self, user_id: UUID, audit_entry: AuditEntry) -> Sequence[UUID]:
        async with self._database.transaction() as connection:
            await _lock_user(connection, user_id)
            if revoked := await revoke_all_keys(connection, user_id):
                audit_entry.event.details["keys"] = revoked
                await insert_audit_entry(connection, audit_entry)
        return [UUID(key_id) for key_id in revoked]


class PostgresKeyViews:
    """Reads a user's keys with the permissions of that user."""

    def __init__(self, reads: Database) -> None:
        self._reads = reads

    async def list_keys(
        self, user_id: UUID, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        position = (before.created_at, before.id) if before else (None, None)
        async with self._reads.read_as(user_id) as connection:
            return [dict(row) for row in await connection.fetch(_LIST, *position, limit)]


async def revoke_all_keys(connection: DatabaseConnection, user_id: UUID) -> list[str]:
    """Return the keys that were live."""
    return [str(row["id"]) for row in await connection.fetch(_REVOKE_ALL, user_id)]


async def _lock_user(connection: DatabaseConnection, user_id: UUID) -> None:
    if not await connection.fetchval(_LOCK_USER, user_id):
        raise Unauthenticated  # closed between the check and the change


async def _insert(
    connection: DatabaseConnection, key: HashedKey, attributes: KeyAttributes
) -> dict[str, Any]:
    key_values = (key.id, key.user_id, key.prefix, key.hash)
    attribute_values = (
        attributes.name,
        attributes.scopes,
        attributes.expires_at,
        attributes.requests_per_minute,
    )
    row = await connection.fetchrow(_INSERT, *key_values, *attribute_values)
    if row is None:
        raise KeyAlreadyShown
    return dict(row)
