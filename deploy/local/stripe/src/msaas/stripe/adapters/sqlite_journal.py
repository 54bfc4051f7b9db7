"""Documents in one SQLite file; a commit survives the end of the process at any moment."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from msaas.stripe.domain.resources import Resource

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, body BLOB NOT NULL
)
"""
_WRITE = """
INSERT INTO documents (key, body) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET body = excluded.body
"""


class SqliteJournal:
    """Without a path the documents end with the process."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        # The kernel has the pages after a commit: only a crash of the machine loses the last ones.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_SCHEMA)

    def read_all(self) -> Iterator[tuple[str, Resource]]:
        rows = self._connection.execute("SELECT key, body FROM documents ORDER BY number")
        return ((key, orjson.loads(body)) for key, body in rows)

    def find(self, key: str) -> Resource | None:
        row = self._connection.execute(
            "SELECT body FROM documents WHERE key = ?", (key,)
        ).fetchone()
        return orjson.loads(row[0]) if row else None

    def write(self, changes: Mapping[str, Resource | None]) -> None:
        cursor = self._connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for key, document in changes.items():
                if document is None:
                    cursor.execute("DELETE FROM documents WHERE key = ?", (key,))
                else:
                    cursor.execute(_WRITE, (key, orjson.dumps(document)))
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()
