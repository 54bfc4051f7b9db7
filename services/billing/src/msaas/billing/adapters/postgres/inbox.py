"""The inbox of Stripe's events in Postgres: each event is one row for ever."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from msaas.billing.application.ports import StripeEvent
from msaas.billing.domain.stripe_events import EventSource, EventState
from msaas.postgres import Database

_STORE: Final = """
INSERT INTO billing.stripe_events (
  event_id, type, created, livemode, api_version, is_thin, object_id, stripe_customer_id, payload,
  source, correlation_id, traceparent
)
SELECT * FROM unnest(
  $1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[], $6::boolean[], $7::text[],
  $8::text[], $9::jsonb[], $10::text[], $11::text[], $12::text[]
)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
"""
_COLUMNS: Final = """
SELECT
  event_id, type, created, livemode, api_version, is_thin, object_id, stripe_customer_id, source,
  payload::text AS payload, state, attempts, correlation_id, traceparent
FROM billing.stripe_events
"""
_FIND: Final = f"{_COLUMNS} WHERE event_id = ANY($1::text[]) ORDER BY created, event_id"
_LIST_DUE: Final = f"""
{_COLUMNS} WHERE state = 'RECEIVED' AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT $1
"""
_FINISH: Final = """
UPDATE billing.stripe_events SET
  state = $2, outcome = $3, next_attempt_at = NULL, finished_at = clock_timestamp()
WHERE event_id = $1 AND state = 'RECEIVED'
"""
_POSTPONE: Final = """
UPDATE billing.stripe_events SET
  attempts = attempts + 1, error = $2, next_attempt_at = clock_timestamp() + $3 * interval '1 s'
WHERE event_id = $1 AND state = 'RECEIVED'
"""
_REOPEN: Final = """
UPDATE billing.stripe_events SET
  state = 'RECEIVED', attempts = 0, error = NULL, outcome = NULL, finished_at = NULL,
  next_attempt_at = clock_timestamp()
WHERE event_id = $1
RETURNING true
"""
_LIST_UNKNOWN: Final = """
SELECT id FROM unnest($1::text[]) AS given (id)
WHERE NOT EXISTS (SELECT FROM billing.stripe_events WHERE event_id = id)
"""
_CLAIM_STEP: Final = """
INSERT INTO billing.watermarks (name, reached) VALUES ($1, now() + $2 * interval '1 s')
ON CONFLICT (name) DO UPDATE SET reached = excluded.reached, updated_at = clock_timestamp()
WHERE watermarks.reached <= now()
RETURNING true
"""
_REJECT_REPORTS: Final = """
UPDATE billing.meter_reports r SET state = 'REJECTED', reported_at = NULL, error = u.code
FROM unnest($1::text[], $2::text[]) AS u (identifier, code)
WHERE r.identifier = u.identifier AND r.state IN ('SENDING', 'AMBIGUOUS', 'REPORTED')
"""
_SET_WATERMARK: Final = """
INSERT INTO billing.watermarks (name, reached) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET
  reached = greatest(watermarks.reached, excluded.reached), updated_at = clock_timestamp()
"""


class PostgresInbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, events: Sequence[StripeEvent]) -> Sequence[str]:
        columns = zip(*map(_build_row, events), strict=True)
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_STORE, *map(list, columns))
        return [row["event_id"] for row in rows]

    async def find(self, event_ids: Sequence[str]) -> Sequence[StripeEvent]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FIND, list(event_ids))
        return [_read_event(row) for row in rows]

    async def finish(self, event_id: str, state: EventState, outcome: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_FINISH, event_id, state, outcome)

    async def postpone(self, event_id: str, error: str, delay: float) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_POSTPONE, event_id, error, delay)

    async def reopen(self, event_id: str) -> bool:
        async with self._database.connection() as connection:
            return await connection.fetchval(_REOPEN, event_id) is True

    async def list_due(self, limit: int) -> Sequence[StripeEvent]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_DUE, limit)
        return [_read_event(row) for row in rows]

    async def list_unknown(self, event_ids: Sequence[str]) -> Sequence[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_UNKNOWN, list(event_ids))
        return [row["id"] for row in rows]

    async def claim_step(self, name: str, seconds: float) -> bool:
        async with self._database.connection() as connection:
            return await connection.fetchval(_CLAIM_STEP, f"step:{name}", seconds) is True

    async def reject_reports(self, errors: Mapping[str, str]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_REJECT_REPORTS, list(errors), list(errors.values()))

    async def get_now(self) -> datetime:
        async with self._database.connection() as connection:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return now

    async def get_watermark(self, name: str) -> datetime | None:
        async with self._database.connection() as connection:
            found: datetime | None = await connection.fetchval(
                "SELECT reached FROM billing.watermarks WHERE name = $1", name
            )
            return found

    async def set_watermark(self, name: str, reached: datetime) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_SET_WATERMARK, name, reached)


def _build_row(event: StripeEvent) -> tuple[object, ...]:
    payload: Mapping[str, Any] | None = event.payload
    return (
        event.id,
        event.type,
        event.created,
        event.livemode,
        event.api_version,
        event.is_thin,
        event.object_id,
        event.customer_id,
        None if payload is None else _dump(payload),
        event.source,
        event.correlation_id,
        event.traceparent,
    )


def _dump(payload: Mapping[str, Any]) -> str | None:
    """Return None for what jsonb cannot hold: the event is stored without its object."""
    try:
        text = orjson.dumps(dict(payload), default=str).decode()
    except orjson.JSONEncodeError:
        return None
    return None if "\\u0000" in text else text


def _read_event(row: Any) -> StripeEvent:
    return StripeEvent(
        id=row["event_id"],
        type=row["type"],
        created=row["created"],
        livemode=row["livemode"],
        api_version=row["api_version"],
        is_thin=row["is_thin"],
        object_id=row["object_id"],
        customer_id=row["stripe_customer_id"],
        payload=orjson.loads(row["payload"]) if row["payload"] else None,
        source=EventSource(row["source"]),
        state=EventState(row["state"]),
        attempts=row["attempts"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )
