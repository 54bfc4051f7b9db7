"""One-time tokens and the outbox in the identity database; of secrets it stores digests.

The outbox stands for the mailboxes of the users: it has the links, for as long as they work.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from asyncpg import Record

from msaas.identity.application.one_time_ports import OutboxMessage
from msaas.identity.domain.one_time import (
    MAX_GUESSES,
    TOKEN_LIFETIME,
    Flow,
    OneTimeToken,
    Purpose,
)
from msaas.kernel import new_id
from msaas.postgres import Database

_MAX_MESSAGES: Final = 500
SCHEMA: Final = """
ALTER TABLE auth.sessions ADD COLUMN IF NOT EXISTS method text NOT NULL DEFAULT 'password';
CREATE TABLE IF NOT EXISTS auth.one_time_tokens (
    email text NOT NULL,
    purpose text NOT NULL,
    digest bytea NOT NULL CONSTRAINT one_time_tokens_digest_key UNIQUE,
    code_digest bytea NOT NULL,
    challenge text,
    user_metadata jsonb NOT NULL,
    guesses integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (email, purpose)
);
CREATE TABLE IF NOT EXISTS auth.flows (
    digest bytea PRIMARY KEY,
    email text NOT NULL,
    purpose text NOT NULL,
    challenge text NOT NULL,
    user_metadata jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS auth.outbox (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    purpose text NOT NULL,
    link text NOT NULL,
    code text NOT NULL,
    created_at timestamptz NOT NULL
);
"""
_PRUNE_OUTBOX: Final = f"""
DELETE FROM auth.outbox WHERE created_at < $1::timestamptz - $2::interval OR id NOT IN (
    SELECT id FROM auth.outbox ORDER BY created_at DESC, id DESC LIMIT {_MAX_MESSAGES}
)
"""  # noqa: S608  # a constant
_PRUNE_PROOFS: Final = (
    "DELETE FROM auth.one_time_tokens WHERE expires_at < $1",
    "DELETE FROM auth.flows WHERE expires_at < $1",
)
_REPLACE_PROOF: Final = """
INSERT INTO auth.one_time_tokens
    (email, purpose, digest, code_digest, challenge, user_metadata, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (email, purpose) DO UPDATE SET
    digest = excluded.digest, code_digest = excluded.code_digest, guesses = 0,
    challenge = excluded.challenge, user_metadata = excluded.user_metadata,
    expires_at = excluded.expires_at
"""
_ADD_MESSAGE: Final = """
INSERT INTO auth.outbox (id, email, purpose, link, code, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_PROOF: Final = "email, purpose, digest, code_digest, challenge, user_metadata, expires_at"
_TAKE: Final = (
    f"DELETE FROM auth.one_time_tokens WHERE digest = $1 AND expires_at > $2 RETURNING {_PROOF}"  # noqa: S608  # constant columns
)
# The update locks the row, so that concurrent guesses are counted one after the other.
_GUESS: Final = f"""
UPDATE auth.one_time_tokens SET guesses = guesses + 1
WHERE email = $1 AND purpose = $2 AND expires_at > $3 AND guesses < {MAX_GUESSES}
RETURNING {_PROOF}
"""  # noqa: S608  # constant columns
_DELETE: Final = "DELETE FROM auth.one_time_tokens WHERE digest = $1"
_FLOW: Final = "digest, email, purpose, challenge, user_metadata, expires_at"
_ADD_FLOW: Final = f"INSERT INTO auth.flows ({_FLOW}) VALUES ($1, $2, $3, $4, $5, $6)"  # noqa: S608  # constant columns
_TAKE_FLOW: Final = f"DELETE FROM auth.flows WHERE digest = $1 RETURNING {_FLOW}"  # noqa: S608  # constant columns
_LIST: Final = """
SELECT email, purpose, link, code, created_at FROM auth.outbox
ORDER BY created_at DESC, id DESC LIMIT $1
"""


class PostgresOneTimeTokens:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: OneTimeToken, message: OutboxMessage) -> None:
        stored = (token.email, token.purpose, token.digest, token.code_digest, token.challenge)
        sent = (message.email, message.purpose, message.link, message.code, message.created_at)
        async with self._database.transaction() as connection:
            await connection.execute(
                _REPLACE_PROOF, *stored, _json(token.user_metadata), token.expires_at
            )
            await connection.execute(_ADD_MESSAGE, new_id(), *sent)
            for prune in _PRUNE_PROOFS:
                await connection.execute(prune, message.created_at)
            await connection.execute(_PRUNE_OUTBOX, message.created_at, TOKEN_LIFETIME)

    async def take(self, digest: bytes, now: datetime) -> OneTimeToken | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_TAKE, digest, now)
        return _read_token(row) if row else None

    async def take_by_code(
        self, email: str, purpose: Purpose, code_digest: bytes, now: datetime
    ) -> OneTimeToken | None:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_GUESS, email, purpose, now)
            if row is None or row["code_digest"] != code_digest:
                return None
            await connection.execute(_DELETE, row["digest"])
        return _read_token(row)

    async def add_flow(self, flow: Flow) -> None:
        values = (flow.digest, flow.email, flow.purpose, flow.challenge)
        async with self._database.connection() as connection:
            await connection.execute(_ADD_FLOW, *values, _json(flow.user_metadata), flow.expires_at)

    async def take_flow(self, digest: bytes) -> Flow | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_TAKE_FLOW, digest)
        return None if row is None else Flow(**_read(row))

    async def list_messages(self, limit: int) -> Sequence[OutboxMessage]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, limit)
        return [_read_message(row) for row in rows]


def _read_message(row: Record) -> OutboxMessage:
    fields: dict[str, Any] = {**row, "purpose": Purpose(row["purpose"])}
    return OutboxMessage(**fields)


def _read_token(row: Record) -> OneTimeToken:
    return OneTimeToken(**_read(row))


def _read(row: Record) -> dict[str, Any]:
    metadata = orjson.loads(row["user_metadata"])
    return {**row, "purpose": Purpose(row["purpose"]), "user_metadata": metadata}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
