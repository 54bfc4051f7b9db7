"""The users table; a user is created when a valid token is seen for the first time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msaas.auth import TokenClaims, Unauthenticated, UserPrincipal
from msaas.contracts import SubscriptionChanged
from msaas.postgres import Database

# `last_seen_at` changes every few minutes, so that most requests write nothing.
_FIND = """
SELECT id, email, plan, stripe_customer_id, role, sessions_ended_at,
  coalesce(banned_at, erased_at, deleted_at) IS NOT NULL AS is_closed,
  last_seen_at IS NULL OR last_seen_at < now() - interval '5 minutes' AS is_stale
FROM identity.users WHERE id = $1
"""
# The condition is checked again under the row's lock: of concurrent requests, one writes.
_TOUCH = """
UPDATE identity.users SET last_seen_at = now()
WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < now() - interval '5 minutes')
"""
# An e-mail belongs to one active user: another user with the same e-mail is stored without it.
_PROVISION = """
INSERT INTO identity.users (id, email, display_name, plan, role, last_seen_at)
SELECT $1::uuid,
  CASE WHEN EXISTS (
    SELECT FROM identity.users
    WHERE email = $2::citext AND erased_at IS NULL AND deleted_at IS NULL
  ) THEN NULL ELSE $2::citext END,
  $3, $4, $5, now()
ON CONFLICT DO NOTHING
"""

# Locked in order; only a newer plan version is stored.
_SET_PLANS = """
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS g (id, plan, plan_version)
),
locked AS MATERIALIZED (
  SELECT u.id, given.plan, given.plan_version FROM given JOIN identity.users u USING (id)
  WHERE u.erased_at IS NULL ORDER BY u.id FOR NO KEY UPDATE OF u
)
UPDATE identity.users u SET plan = locked.plan, plan_version = locked.plan_version
FROM locked WHERE u.id = locked.id AND u.plan_version < locked.plan_version
RETURNING u.id
"""

# Longer than the interval of the check: each process finds the users in one of its checks.
ENDED_SESSIONS_WINDOW = timedelta(seconds=30)
_FIND_CLOSED = """
SELECT given.id FROM unnest($1::uuid[]) AS given (id)
LEFT JOIN identity.users u ON u.id = given.id
WHERE u.id IS NULL OR coalesce(u.banned_at, u.erased_at, u.deleted_at) IS NOT NULL
  OR u.sessions_ended_at > now() - $2::interval
"""


class PostgresUsers:
    """Implements PrincipalStore; an existing row overrides the claims of the token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        row = await self._find(claims)
        if row is None:
            await self._provision(claims)
            row = await self._find(claims)
        if row is None or row["is_closed"]:
            raise Unauthenticated
        stored = (row["id"], row["email"], row["plan"], row["stripe_customer_id"], row["role"])
        ended_at = row["sessions_ended_at"]
        return UserPrincipal(*stored, sessions_ended_at=ended_at and ended_at.timestamp())

    async def set_plans(self, changes: Mapping[UUID, SubscriptionChanged]) -> Sequence[UUID]:
        """Return the users whose plan changed; erased users and older versions are skipped."""
        rows = [(user_id, change.plan, change.version) for user_id, change in changes.items()]
        async with self._database.transaction() as connection:
            changed = await connection.fetch(_SET_PLANS, *zip(*rows, strict=True))
        return [row["id"] for row in changed]

    async def find_closed_accounts(self, user_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the users that are banned, erased or deleted, or whose sessions were ended now."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FIND_CLOSED, user_ids, ENDED_SESSIONS_WINDOW)
        return [row["id"] for row in rows]

    async def _find(self, claims: TokenClaims) -> Any:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, claims.subject)
            if row and row["is_stale"] and not row["is_closed"]:
                await connection.execute(_TOUCH, claims.subject)
        return row

    async def _provision(self, claims: TokenClaims) -> None:
        role = "operator" if claims.app_role == "operator" else "user"
        plan = claims.app_plan or "FREE"
        values = (claims.subject, claims.email, claims.user_name, plan, role)
        async with self._database.connection() as connection:
            await connection.execute(_PROVISION, *values)
            # A concurrent insert may have taken the e-mail: the user is stored without it.
            await connection.execute(_PROVISION, claims.subject, None, *values[2:])
