"""Chroma inside this process, over a folder that no other process may open."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from msaas.agents.adapters.memory.chroma_calls import ChromaCalls
from msaas.agents.adapters.memory.vectors import CONFIGURATION, CollectionNames
from msaas.telemetry import Metrics

ERASE_SECONDS: Final = 60.0
OPEN_SECONDS: Final = 60.0
_PAGE: Final = 500
T = TypeVar("T")


class EmbeddedChroma:
    """One thread makes all calls: they wait for each other, and never for the event loop."""

    def __init__(
        self, folder: Path, names: CollectionNames, metrics: Metrics, *, seconds: float = 5.0
    ) -> None:
        self._folder = folder
        self._names = names
        self._calls = ChromaCalls(metrics, seconds)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chroma")
        self._client: Any = None

    async def list_known(self, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
        def list_known() -> set[UUID]:
            collection = self._find(user_id)
            if collection is None:
                return set()
            return set(map(UUID, collection.get(ids=_texts(ids), include=[])["ids"]))

        return await self._run(list_known) if ids else set()

    async def upsert(
        self, user_id: UUID, ids: Sequence[UUID], vectors: Sequence[Sequence[float]]
    ) -> None:
        def upsert() -> None:
            collection = self._connect().get_or_create_collection(
                self._names.name(user_id), embedding_function=None, configuration=CONFIGURATION
            )
            collection.upsert(ids=_texts(ids), embeddings=list(vectors))

        if ids:
            await self._run(upsert)

    async def search(self, user_id: UUID, vector: Sequence[float], limit: int) -> list[UUID]:
        def search() -> list[UUID]:
            collection = self._find(user_id)
            if collection is None:
                return []
            found = collection.query(query_embeddings=[list(vector)], n_results=limit, include=[])
            return [UUID(each) for each in found["ids"][0]]

        return await self._run(search)

    async def delete(self, user_id: UUID, ids: Sequence[UUID]) -> None:
        def delete() -> None:
            if collection := self._find(user_id):
                collection.delete(ids=_texts(ids))

        if ids:
            await self._run(delete)

    async def erase(self, user_id: UUID) -> None:
        def erase() -> None:
            client = self._connect()
            for name in list_names(client, self._names.prefix(user_id)):
                client.delete_collection(name)
            remove_leftovers(self._folder)

        await self._run(erase, seconds=ERASE_SECONDS)

    async def close(self) -> None:
        if self._client is not None:
            await self._run(self._client.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[[], T], *, seconds: float | None = None) -> T:
        if self._client is None:
            await self._calls.run(self._in_thread(self._connect), seconds=OPEN_SECONDS)
        return await self._calls.run(self._in_thread(call), seconds=seconds)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _connect(self) -> Any:
        if self._client is None:
            import chromadb  # takes a second, and only a process with a memory needs it
            from chromadb.config import Settings

            self._folder.mkdir(parents=True, exist_ok=True)
            self._client = chromadb.PersistentClient(
                self._folder, settings=Settings(anonymized_telemetry=False)
            )
        return self._client

    def _find(self, user_id: UUID) -> Any:
        from chromadb.errors import NotFoundError

        client = self._connect()
        try:
            return client.get_collection(self._names.name(user_id), embedding_function=None)
        except NotFoundError:
            return None


def list_names(client: Any, prefix: str) -> list[str]:
    names: list[str] = []
    offset = 0
    while page := client.list_collections(limit=_PAGE, offset=offset):
        names += [each.name for each in page if each.name.startswith(prefix)]
        offset += len(page)
    return names


def remove_leftovers(folder: Path) -> None:
    """Remove what Chroma leaves of deleted collections: folders of vectors, and free pages."""
    with closing(sqlite3.connect(folder / "chroma.sqlite3", timeout=10.0)) as database:
        live = {row[0] for row in database.execute("SELECT id FROM segments")}
        for each in folder.iterdir():
            if each.is_dir() and each.name not in live:
                shutil.rmtree(each)
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _texts(ids: Sequence[UUID]) -> list[str]:
    return [str(each) for each in ids]
