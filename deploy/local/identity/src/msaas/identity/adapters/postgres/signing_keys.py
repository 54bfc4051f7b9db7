"""The signing keys."""

from collections.abc import Callable, Sequence
from typing import Final

from msaas.identity.domain.signing_keys import KeyUse, SigningKey
from msaas.postgres import Database, DatabaseConnection

_LIST: Final = "SELECT kid, use, since, jwk FROM auth.signing_keys ORDER BY since, kid"
_ADD: Final = "INSERT INTO auth.signing_keys (kid, use, since, jwk) VALUES ($1, $2, $3, $4)"


class PostgresSigningKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[SigningKey]:
        async with self._database.connection() as connection:
            return await _read(connection)

    async def change(
        self, change: Callable[[Sequence[SigningKey]], Sequence[SigningKey]]
    ) -> Sequence[SigningKey]:
        async with self._database.transaction(lock_timeout=None) as connection:
            # Readers do not wait: they see the old keys until the commit.
            await connection.execute("LOCK TABLE auth.signing_keys IN EXCLUSIVE MODE")
            before = await _read(connection)
            keys = change(before)
            if keys != before:
                await connection.execute("DELETE FROM auth.signing_keys")
                rows = [(key.kid, key.use, key.since, key.jwk) for key in keys]
                await connection.executemany(_ADD, rows)
        return keys


async def _read(connection: DatabaseConnection) -> Sequence[SigningKey]:
    return [
        SigningKey(kid=row["kid"], use=KeyUse(row["use"]), since=row["since"], jwk=row["jwk"])
        for row in await connection.fetch(_LIST)
    ]
