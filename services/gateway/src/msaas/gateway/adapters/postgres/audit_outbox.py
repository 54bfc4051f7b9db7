"""Audit records: kept in the transaction of what they tell of, handed on, kept for another week."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from msaas.contracts import AuditRecorded
from msaas.gateway.application.audit import Act
from msaas.postgres import Connection, Database

Publish = Callable[[Act], Awaitable[bool]]

_KEEP: Final = """
INSERT INTO identity.audit_outbox (id, body, correlation_id) VALUES ($1, $2::text::jsonb, $3)
"""
_UNSENT: Final = """
SELECT body, correlation_id FROM identity.audit_outbox WHERE sent_at IS NULL ORDER BY id LIMIT 100
"""
_SENT: Final = "UPDATE identity.audit_outbox SET sent_at = now() WHERE id = ANY($1::uuid[])"
_OVER: Final = "DELETE FROM identity.audit_outbox WHERE sent_at < now() - interval '7 days'"
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('identity.audit_outbox', 0))"
_ONE_AT_A_TIME: Final = _ALONE.replace("pg_try_", "pg_")
# One statement, so that a crash leaves either both or neither.
_TELL_AGAIN: Final = """
WITH served AS (
  INSERT INTO identity.wire_epoch (epoch) VALUES ($1)
  ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch, served_at = now()
  WHERE wire_epoch.epoch <> excluded.epoch
  RETURNING true
)
UPDATE identity.audit_outbox SET sent_at = NULL
WHERE sent_at IS NOT NULL AND EXISTS (SELECT FROM served)
"""


async def keep_act(connection: Connection, act: Act) -> None:
    """Keep it in the caller's transaction."""
    record, correlation_id = act
    await connection.execute(_KEEP, record.audit_id, record.model_dump_json(), correlation_id)


class PostgresAuditOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, act: Act) -> None:
        async with self._database.transaction() as connection:
            await keep_act(connection, act)

    async def hand_on(self, publish: Publish) -> None:
        """Publish what waits; one process at a time, though twice would do no harm."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_ALONE):
                return
            rows = await connection.fetch(_UNSENT)
            acts = [_read(row["body"], row["correlation_id"]) for row in rows]
            sent = [act.record.audit_id for act in acts if await publish(act)]
            await self._settle(connection, sent)

    async def tell_again(self, epoch: str) -> None:
        """Once for each wire that may have lost what was on it.

        Waits for what is being handed on just now: it would be marked as sent afterwards.
        """
        async with self._database.transaction(lock_timeout=5) as connection:
            await connection.execute(_ONE_AT_A_TIME)
            await connection.execute(_TELL_AGAIN, epoch)

    async def _settle(self, connection: Connection, sent: list[UUID]) -> None:
        if sent:
            await connection.execute(_SENT, sent)
            await connection.execute(_OVER)


def _read(body: str, correlation_id: str) -> Act:
    return Act(AuditRecorded.model_validate_json(body), correlation_id)
