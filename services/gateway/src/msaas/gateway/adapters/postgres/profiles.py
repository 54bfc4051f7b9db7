"""What users may change in their own row."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msaas.gateway.application.manage_profile import ProfileChange
from msaas.postgres import Database

_CHANGE: Final = """
UPDATE identity.users SET
  display_name = CASE WHEN $2 THEN $3::text ELSE display_name END,
  locale = CASE WHEN $4 THEN $5::text ELSE locale END
WHERE id = $1 AND erased_at IS NULL
"""
_SET_LEVELS: Final = """
UPDATE identity.users SET quota_notifications = $2::smallint[] WHERE id = $1 AND erased_at IS NULL
"""


class PostgresProfiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, user_id: UUID, change: ProfileChange) -> None:
        named = ("display_name" in change.fields, change.display_name)
        values = (*named, "locale" in change.fields, change.locale)
        async with self._database.transaction() as connection:
            await connection.execute(_CHANGE, user_id, *values)

    async def set_quota_levels(self, user_id: UUID, levels: Sequence[int]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_SET_LEVELS, user_id, list(levels))
