"""Documents and memories in Postgres: one row for each text of a user, kept while it is used."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from msaas.agents.adapters.postgres.rows import LOCK_TIMEOUT, dump_json, load_json, lock_run
from msaas.agents.domain.evidence import Document, Passage
from msaas.kernel import new_id
from msaas.postgres import Database

_STORE: Final = """
INSERT INTO agents.documents AS d (user_id, sha256, url, title, text, links, job_id)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)
ON CONFLICT (user_id, sha256) DO UPDATE SET
  url = excluded.url, title = excluded.title, links = excluded.links, job_id = excluded.job_id,
  last_used_at = clock_timestamp()
"""
# Most readers come again soon; a row is not written again for each of them.
_FIND: Final = """
WITH used AS (
  UPDATE agents.documents SET last_used_at = clock_timestamp()
  WHERE user_id = $1 AND sha256 = $2 AND last_used_at < now() - interval '1 hour'
)
SELECT url, title, text, links::text AS links, job_id FROM agents.documents
WHERE user_id = $1 AND sha256 = $2
"""
_SEE: Final = """
INSERT INTO agents.sightings (run_id, name, user_id, sha256) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, name) DO UPDATE SET sha256 = excluded.sha256
"""
_FIND_SEEN: Final = """
SELECT s.sha256 FROM agents.sightings s
WHERE s.user_id = $1 AND s.name = $3
  AND s.created_at < (SELECT r.started_at FROM agents.runs r WHERE r.id = $2)
ORDER BY s.created_at DESC LIMIT 1
"""
_ADD: Final = """
INSERT INTO agents.memories AS m (
  id, user_id, url, sha256, start_char, end_char, text, text_hash, job_id
)
SELECT id, $1, url, sha256, start_char, end_char, text, text_hash, job_id
FROM unnest(
  $2::uuid[], $3::text[], $4::text[], $5::int[], $6::int[], $7::text[], $8::bytea[], $9::uuid[]
) AS n (id, url, sha256, start_char, end_char, text, text_hash, job_id)
ON CONFLICT (user_id, text_hash) DO UPDATE SET last_used_at = clock_timestamp()
RETURNING m.id, m.text_hash
"""
_LOAD: Final = """
UPDATE agents.memories SET last_used_at = clock_timestamp()
WHERE user_id = $1 AND id = ANY($2::uuid[])
RETURNING id, url, sha256, start_char AS start, end_char AS "end", text, job_id
"""
_FORGET: Final = """
WITH memories AS (DELETE FROM agents.memories WHERE user_id = $1 RETURNING 1),
documents AS (DELETE FROM agents.documents WHERE user_id = $1 RETURNING 1)
SELECT (SELECT count(*) FROM memories) + (SELECT count(*) FROM documents)
"""


class PostgresDocuments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, user_id: UUID, document: Document) -> None:
        links = dump_json(list(document.links))
        page = (document.url, document.title, document.text, links, document.job_id)
        async with self._database.connection() as connection:
            await connection.execute(_STORE, user_id, document.digest, *page)

    async def find(self, user_id: UUID, digest: str) -> Document | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, user_id, digest)
        return _read(row) if row else None

    async def store_sighting(self, run_id: UUID, fence: UUID, name: str, digest: str) -> None:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            run = await lock_run(connection, run_id, fence)
            await connection.execute(_SEE, run_id, name, run.user_id, digest)

    async def find_sighting(self, user_id: UUID, run_id: UUID, name: str) -> Document | None:
        async with self._database.connection() as connection:
            digest = await connection.fetchval(_FIND_SEEN, user_id, run_id, name)
        return await self.find(user_id, digest) if digest else None


class PostgresMemoryTexts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, user_id: UUID, passages: Sequence[Passage]
    ) -> Sequence[tuple[UUID, Passage]]:
        # Sorted, so that two runs of a user lock the same rows in the same order.
        unique = {_hash(passage): passage for passage in reversed(passages)}
        by_hash = {key: unique[key] for key in sorted(unique)}
        given = list(by_hash.values())
        columns = (
            [new_id() for _ in given],
            [passage.url for passage in given],
            [passage.sha256 for passage in given],
            [passage.start for passage in given],
            [passage.end for passage in given],
            [passage.text for passage in given],
            list(by_hash),
            [passage.job_id for passage in given],
        )
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ADD, user_id, *columns)
        ids = {row["text_hash"]: row["id"] for row in rows}
        return [(ids[key], passage) for key, passage in by_hash.items()]

    async def load(self, user_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Passage]:
        async with self._database.connection() as connection:
            rows = [dict(row) for row in await connection.fetch(_LOAD, user_id, list(ids))]
        return {row.pop("id"): Passage(**row) for row in rows}

    async def forget(self, user_id: UUID) -> int:
        async with self._database.connection() as connection:
            forgotten: int = await connection.fetchval(_FORGET, user_id)
            return forgotten


def _hash(passage: Passage) -> bytes:
    return sha256(passage.text.encode()).digest()


def _read(row: Any) -> Document:
    values: dict[str, Any] = dict(row)
    values["links"] = tuple(load_json(values["links"]))
    return Document(**values)
