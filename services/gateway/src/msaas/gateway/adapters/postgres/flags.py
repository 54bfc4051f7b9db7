"""Overrides of feature flags in the database."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from msaas.flags import NO_USERS, FlagScope, Overrides, Rollout
from msaas.gateway.adapters.postgres.audit_outbox import insert_audit_entry
from msaas.gateway.application.audit import AuditEntry
from msaas.gateway.application.ports import Row
from msaas.kernel import new_id
from msaas.postgres import Database
from msaas.telemetry import get_logger

# Row versions increase with every change, so that two changes never have the same hash.
_GET_VERSION: Final = """
SELECT 'm' || md5(coalesce(string_agg(id::text || version::text, ',' ORDER BY id), ''))
FROM identity.flags
"""
_READ: Final = "SELECT name, scope, value FROM identity.flags"
_LIST: Final = """
SELECT name, scope, value, changed_by, updated_at FROM identity.flags ORDER BY name, scope
"""
_SET: Final = """
INSERT INTO identity.flags (id, name, scope, value, changed_by, created_by)
VALUES ($1, $2, $3, $4::text::jsonb, $5, $5)
ON CONFLICT (name, scope) DO UPDATE SET value = excluded.value, changed_by = excluded.changed_by
"""
_UNSET: Final = "DELETE FROM identity.flags WHERE name = $1 AND scope = $2"


class PostgresFlagRepository:
    """Implements FlagLookup and FlagRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_version(self) -> str:
        async with self._database.connection() as connection:
            return await connection.fetchval(_GET_VERSION)

    async def load_overrides(self) -> Overrides:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_READ)
        return {(row["name"], row["scope"]): _parse_rollout(dict(row)) for row in rows}

    async def list_overrides(self) -> Sequence[Row]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST)
        return [_with_rollout(dict(row)) for row in rows]

    async def set(
        self, name: str, scope: FlagScope, rollout: Rollout, audit_entry: AuditEntry
    ) -> None:
        value = orjson.dumps({"percent": rollout.percent, "internal": rollout.internal}).decode()
        async with self._database.transaction() as connection:
            await connection.execute(
                _SET, new_id(), name, str(scope), value, audit_entry.event.actor_id
            )
            await insert_audit_entry(connection, audit_entry)

    async def unset(self, name: str, scope: FlagScope, audit_entry: AuditEntry) -> None:
        async with self._database.transaction() as connection:
            if await connection.execute(_UNSET, name, str(scope)) == "DELETE 1":
                await insert_audit_entry(connection, audit_entry)


def _parse_rollout(row: Mapping[str, Any]) -> Rollout:
    """Treat an unreadable override as switched off."""
    try:
        value = orjson.loads(row["value"])
        return Rollout(int(value["percent"]), bool(value["internal"]))
    except (ValueError, TypeError, KeyError):
        get_logger().error("flag_unreadable", flag=row["name"])
        return NO_USERS


def _with_rollout(row: dict[str, Any]) -> Row:
    rollout = _parse_rollout(row)
    return {**row, "percent": rollout.percent, "internal": rollout.internal}
