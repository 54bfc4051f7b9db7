"""Users and their password hashes."""

from typing import Any, Final
from uuid import UUID

import orjson
from asyncpg import CheckViolationError, Record, UniqueViolationError

from msaas.identity.application.ports import UserAccount, UserChange
from msaas.identity.domain.errors import EmailExists, UserAlreadyExists, ValidationFailed
from msaas.identity.domain.users import User
from msaas.postgres import Database

# A permanent ban is infinity in Postgres, which Python's datetime lacks.
_COLUMNS: Final = """
    id, email, password_hash, app_metadata, user_metadata, last_sign_in_at, created_at, updated_at,
    CASE banned_until WHEN 'infinity' THEN '9999-12-31Z' ELSE banned_until END AS banned_until
"""
_ADD: Final = """
INSERT INTO auth.users
    (id, email, password_hash, app_metadata, user_metadata, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_CHANGE: Final = f"""
UPDATE auth.users SET
    email = coalesce($2, email),
    password_hash = coalesce($3, password_hash),
    user_metadata = (user_metadata || $4::jsonb) - $5::text[],
    app_metadata = coalesce($6::jsonb, app_metadata),
    updated_at = now()
WHERE id = $1
RETURNING {_COLUMNS}
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
                await connection.execute(_ADD, *values)
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
                row = await connection.fetchrow(_CHANGE, user_id, *values)
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
                f"SELECT {_COLUMNS} FROM auth.users WHERE {column} = $1",  # noqa: S608 - see above
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
