"""The outbox of audit events: stored with their change, published, deleted by retention."""

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
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('identity.audit_outbox', 0))"
_LOCK: Final = _TRY_LOCK.replace("pg_try_", "pg_")
# One statement, so that a crash leaves either both or neither.
_REQUEUE: Final = """
WITH new_epoch AS (
  INSERT INTO identity.broker_epoch (epoch) VALUES ($1)
  ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch, handled_at = now()
  WHERE broker_epoch.epoch <> excluded.epoch
  RETURNING true
)
UPDATE identity.audit_outbox SET sent_at = NULL
WHERE sent_at IS NOT NULL AND EXISTS (SELECT FROM new_epoch)
"""


async def insert_audit_entry(connection: DatabaseConnection, entry: AuditEntry) -> None:
    """Insert the entry in the caller's transaction."""
    event, correlation_id = entry
    await connection.execute(_INSERT, event.audit_id, event.model_dump_json(), correlation_id)


class PostgresAuditOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        async with self._database.transaction() as connection:
            await insert_audit_entry(connection, entry)

    async def publish_unsent(self, publish: Publish) -> None:
        """Publish unsent entries; one process at a time, although consumers accept duplicates."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_TRY_LOCK):
                return
            rows = await connection.fetch(_SELECT_UNSENT)
            entries = [_read(row["body"], row["correlation_id"]) for row in rows]
            sent = [entry.event.audit_id for entry in entries if await publish(entry)]
            await self._mark_sent(connection, sent)

    async def requeue_for_epoch(self, epoch: str) -> None:
        """Publish everything again, once for each epoch: Redis may have lost entries.

        Waits for a running `publish_unsent`, which would mark its entries as sent afterwards.
        """
        async with self._database.transaction(lock_timeout=5) as connection:
            await connection.execute(_LOCK)
            await connection.execute(_REQUEUE, epoch)

    async def _mark_sent(self, connection: DatabaseConnection, sent: list[UUID]) -> None:
        if sent:
            await connection.execute(_MARK_SENT, sent)


def _read(body: str, correlation_id: str) -> AuditEntry:
    return AuditEntry(AuditRecorded.model_validate_json(body), correlation_id)
