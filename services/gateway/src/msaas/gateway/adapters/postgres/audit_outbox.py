"""Audit records: kept in the transaction of what they tell of, handed on, kept for another week."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from msaas.contracts import AuditRecorded
from msaas.gateway.application.audit import AuditEntry
from msaas.postgres import Database, DatabaseConnection

Publish = Callable[[AuditEntry], Awaitable[bool]]

_INSERT: Final = """
INSERT INTO identity.audit_outbox (id, body, correlation_id) VALUES ($1, $2::text::jsonb, $3)
"""
_SELECT_UNSENT: Final = """
SELECT body, correlation_id FROM identity.audit_outbox WHERE sent_at IS NULL ORDER BY id LIMIT 100
"""
_MARK_SENT: Final = "UPDATE identity.audit_outbox SET sent_at = now() WHERE id = ANY($1::uuid[])"
_DELETE_EXPIRED: Final = (
    "DELETE FROM identity.audit_outbox WHERE sent_at < now() - interval '7 days'"
)
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('identity.audit_outbox', 0))"
_LOCK: Final = _TRY_LOCK.replace("pg_try_", "pg_")
# One statement, so that a crash leaves either both or neither.
_REQUEUE: Final = """
WITH served AS (
  INSERT INTO identity.wire_epoch (epoch) VALUES ($1)
  ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch, served_at = now()
  WHERE wire_epoch.epoch <> excluded.epoch
  RETURNING true
)
UPDATE identity.audit_outbox SET sent_at = NULL
WHERE sent_at IS NOT NULL AND EXISTS (SELECT FROM served)
"""


async def insert_audit_entry(connection: DatabaseConnection, entry: AuditEntry) -> None:
    """Keep it in the caller's transaction."""
    record, correlation_id = entry
    await connection.execute(_INSERT, record.audit_id, record.model_dump_json(), correlation_id)


class PostgresAuditOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        async with self._database.transaction() as connection:
            await insert_audit_entry(connection, entry)

    async def publish_unsent(self, publish: Publish) -> None:
        """Publish what waits; one process at a time, though twice would do no harm."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_TRY_LOCK):
                return
            rows = await connection.fetch(_SELECT_UNSENT)
            entries = [_read(row["body"], row["correlation_id"]) for row in rows]
            sent = [act.event.audit_id for act in entries if await publish(act)]
            await self._mark_sent(connection, sent)

    async def requeue_for_epoch(self, epoch: str) -> None:
        """Once for each wire that may have lost what was on it.

        Waits for what is being handed on just now: it would be marked as sent afterwards.
        """
        async with self._database.transaction(lock_timeout=5) as connection:
            await connection.execute(_LOCK)
            await connection.execute(_REQUEUE, epoch)

    async def _mark_sent(self, connection: DatabaseConnection, sent: list[UUID]) -> None:
        if sent:
            await connection.execute(_MARK_SENT, sent)
            await connection.execute(_DELETE_EXPIRED)


def _read(body: str, correlation_id: str) -> AuditEntry:
    return AuditEntry(AuditRecorded.model_validate_json(body), correlation_id)
