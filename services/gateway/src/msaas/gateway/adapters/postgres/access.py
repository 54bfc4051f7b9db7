"""Roles, bans and ended sessions in the users table, each change with its audit entry."""

from typing import Final
from uuid import UUID

from msaas.gateway.adapters.postgres.api_keys import revoke_all_keys
from msaas.gateway.adapters.postgres.audit_outbox import insert_audit_entry
from msaas.gateway.application.audit import AuditEntry
from msaas.gateway.application.manage_access import UserNotFound
from msaas.gateway.application.ports import Row
from msaas.postgres import Database, DatabaseConnection

_SET_ROLE: Final = "UPDATE identity.users SET role = $2 WHERE id = $1 AND role <> $2"
_BAN: Final = "UPDATE identity.users SET banned_at = now() WHERE id = $1 AND banned_at IS NULL"
_UNBAN: Final = "UPDATE identity.users SET banned_at = NULL WHERE id = $1 AND banned_at IS NOT NULL"
_END_SESSIONS: Final = "UPDATE identity.users SET sessions_ended_at = now() WHERE id = $1"
_SELECT: Final = """
SELECT id, role, banned_at, sessions_ended_at FROM identity.users
WHERE id = $1 AND coalesce(erased_at, deleted_at) IS NULL FOR NO KEY UPDATE
"""


class PostgresAccess:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_role(self, user_id: UUID, role: str, audit_entry: AuditEntry) -> Row:
        return await self._change(_SET_ROLE, user_id, role, audit_entry=audit_entry)

    async def set_banned(self, user_id: UUID, *, banned: bool, audit_entry: AuditEntry) -> Row:
        return await self._change(_BAN if banned else _UNBAN, user_id, audit_entry=audit_entry)

    async def end_access(self, user_id: UUID, audit_entry: AuditEntry) -> Row:
        async with self._database.transaction() as connection:
            await _lock(connection, user_id)
            await connection.execute(_END_SESSIONS, user_id)
            audit_entry.event.details["keys"] = await revoke_all_keys(connection, user_id)
            await insert_audit_entry(connection, audit_entry)
            return await _lock(connection, user_id)

    async def _change(self, sql: str, user_id: UUID, *values: str, audit_entry: AuditEntry) -> Row:
        async with self._database.transaction() as connection:
            await _lock(connection, user_id)
            if await connection.execute(sql, user_id, *values) == "UPDATE 1":
                await insert_audit_entry(connection, audit_entry)
            return await _lock(connection, user_id)


async def _lock(connection: DatabaseConnection, user_id: UUID) -> Row:
    row = await connection.fetchrow(_SELECT, user_id)
    if row is None:
        raise UserNotFound
    return dict(row)
