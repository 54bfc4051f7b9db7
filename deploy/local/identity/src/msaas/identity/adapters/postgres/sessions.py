"""Sessions and the digests of their refresh tokens."""

from typing import Final
from uuid import UUID

from asyncpg import Record

from msaas.identity.application.ports import PresentedToken, SignOutScope
from msaas.identity.domain.sessions import Session
from msaas.postgres import Database

_OPEN: Final = """
WITH opened AS (
    INSERT INTO auth.sessions (id, user_id, secret, generation, created_at)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING user_id, created_at
)
UPDATE auth.users SET last_sign_in_at = opened.created_at FROM opened WHERE id = opened.user_id
"""
_ADD: Final = """
INSERT INTO auth.refresh_tokens (digest, session_id, generation) VALUES ($1, $2, $3)
"""
_FIND: Final = "SELECT * FROM auth.sessions WHERE id = $1"
_FIND_PRESENTED: Final = """
SELECT s.*, t.generation AS presented
FROM auth.refresh_tokens t JOIN auth.sessions s ON s.id = t.session_id
WHERE t.digest = $1
"""
_ROTATE: Final = """
WITH moved AS (
    UPDATE auth.sessions SET generation = generation + 1
    WHERE id = $1 AND generation = $2 AND revoked_at IS NULL
    RETURNING id, generation
)
INSERT INTO auth.refresh_tokens (digest, session_id, generation)
SELECT $3, id, generation FROM moved
RETURNING true
"""
_REVOKE: Final = "UPDATE auth.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
_CLOSE: Final = {
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
                _OPEN,
                *(session.id, session.user_id, session.secret),
                *(session.generation, session.created_at),
            )
            await connection.execute(_ADD, token, session.id, session.generation)

    async def find(self, session_id: UUID) -> Session | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, session_id)
        return _session(row) if row else None

    async def find_by_refresh_token(self, token: bytes) -> PresentedToken | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_PRESENTED, token)
        return PresentedToken(_session(row), row["presented"]) if row else None

    async def rotate(self, session: Session, child: bytes) -> bool:
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(_ROTATE, session.id, session.generation, child))

    async def revoke(self, session_id: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_REVOKE, session_id)

    async def close(self, session: Session, scope: SignOutScope) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_CLOSE[scope], session.user_id, session.id)


def _session(row: Record) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        secret=row["secret"],
        created_at=row["created_at"],
        generation=row["generation"],
        revoked=row["revoked_at"] is not None,
    )
