"""What operators look up: users, and the audit entries that are still stored here."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson

from msaas.gateway.adapters.postgres.search_conditions import escape_pattern, read_uuid
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.postgres import Database

# The order is that of an index; the search filters within the time-out of a statement.
_LIST_USERS: Final = """
SELECT id, email::text AS email, display_name, role, plan, created_at, last_seen_at, banned_at,
  sessions_ended_at
FROM identity.users
WHERE erased_at IS NULL AND deleted_at IS NULL
  AND ($1::text IS NULL OR email::text ILIKE $1 OR display_name ILIKE $1 OR id = $2::uuid)
  AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
ORDER BY created_at DESC, id DESC LIMIT $5
"""
# Ids are ordered by time.
_LIST_AUDIT: Final = """
SELECT id, body, correlation_id, created_at FROM identity.audit_outbox
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR body ->> 'action' = $2)
  AND ($3::text IS NULL OR body ->> 'target' = $3 OR body ->> 'actor_id' = $3)
ORDER BY id DESC LIMIT $4
"""


class PostgresOperatorViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_users(self, search: str, before: PageCursor | None, limit: int) -> Sequence[Row]:
        pattern = f"%{escape_pattern(search)}%" if search else None
        position = (before.created_at, before.id) if before else (None, None)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_USERS, pattern, read_uuid(search), *position, limit)
        return [dict(row) for row in rows]

    async def list_audit(
        self, action: str | None, about: UUID | None, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        values = (before and before.id, action, None if about is None else str(about), limit)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_AUDIT, *values)
        return [{**row, "body": orjson.loads(row["body"])} for row in rows]
