"""The requests of users in Postgres: an Idempotency-Key is used for one request only."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from msaas.billing.adapters.postgres.accounts import ROW_LOCK_TIMEOUT
from msaas.billing.application.ports import Request
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.errors import IdempotencyMismatch
from msaas.kernel import new_id
from msaas.postgres import Database

_BEGIN: Final = """
INSERT INTO billing.requests (
  id, account_id, user_id, kind, idempotency_key, fingerprint, expires_at
) VALUES ($1, $2, $3, $4, $5, $6, now() + interval '72 hours')
ON CONFLICT (account_id, idempotency_key) DO NOTHING
"""
_FIND: Final = """
SELECT id, kind, fingerprint, attempt, answer::text AS answer FROM billing.requests
WHERE account_id = $1 AND idempotency_key = $2
"""
_FINISH: Final = """
UPDATE billing.requests SET state = 'DONE', answer = $2::jsonb, stripe_object_id = $3
WHERE id = $1 AND state = 'OPEN'
"""
_FREE: Final = "UPDATE billing.requests SET attempt = attempt + 1 WHERE id = $1"
_SET_LIMIT: Final = """
INSERT INTO billing.spend_limits (account_id, user_id, amount) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET amount = excluded.amount
"""
_RAISE_VERSION: Final = """
UPDATE billing.accounts SET published_version = nextval('billing.fetch_versions')
WHERE id = $1
"""


class PostgresRequests:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, account: Account, kind: str, idempotency_key: str, fingerprint: bytes
    ) -> Request:
        async with self._database.transaction() as connection:
            new = (new_id(), account.id, account.user_id, kind, idempotency_key, fingerprint)
            await connection.execute(_BEGIN, *new)
            (row,) = await connection.fetch(_FIND, account.id, idempotency_key)
        if (row["kind"], row["fingerprint"]) != (kind, fingerprint):
            raise IdempotencyMismatch
        answer = orjson.loads(row["answer"]) if row["answer"] else None
        key = f"request:{row['id']}:{row['attempt']}"
        return Request(id=row["id"], stripe_key=key, answer=answer)

    async def finish(
        self, request_id: UUID, answer: Mapping[str, Any], object_id: str | None
    ) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_FINISH, request_id, _dump(answer), object_id)

    async def free(self, request_id: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_FREE, request_id)

    async def set_spend_limit(
        self, account: Account, request_id: UUID, amount: int | None, answer: Mapping[str, Any]
    ) -> None:
        async with self._database.transaction(lock_timeout=ROW_LOCK_TIMEOUT) as connection:
            await connection.execute(_RAISE_VERSION, account.id)
            await connection.execute(_SET_LIMIT, account.id, account.user_id, amount)
            await connection.execute(_FINISH, request_id, _dump(answer), None)


def _dump(answer: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(answer)).decode()
