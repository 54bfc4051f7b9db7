"""Reads which task types are paused, as the jobs service publishes it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msaas.gateway.application.ports import Row
from msaas.postgres import Database

_LIST: Final = (
    "SELECT task_type, reason, since, until FROM api_v1.pauses ORDER BY task_type, reason"
)


class PostgresPauses:
    def __init__(self, reads: Database) -> None:
        self._reads = reads

    async def list_pauses(self, user_id: UUID) -> Sequence[Row]:
        async with self._reads.read_as(user_id) as connection:
            return [dict(row) for row in await connection.fetch(_LIST)]
