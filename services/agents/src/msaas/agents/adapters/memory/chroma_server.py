"""Chroma as a server of its own, which several processes share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from msaas.agents.adapters.memory.chroma_calls import ChromaCalls
from msaas.agents.adapters.memory.vectors import CONFIGURATION, CollectionNames
from msaas.telemetry import Metrics

_PAGE: Final = 500
_ERASE_SECONDS: Final = 60.0
T = TypeVar("T")


class ChromaServer:
    """`erase` deletes the collections; the server's own clean-up removes their bytes from disk."""

    def __init__(
        self, url: str, names: CollectionNames, metrics: Metrics, *, seconds: float = 5.0
    ) -> None:
        self._url = urlsplit(url)
        self._names = names
        self._calls = ChromaCalls(metrics, seconds)
        self._client: Any = None

    async def list_known(self, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
        async def list_known() -> set[UUID]:
            collection = await self._find(user_id)
            if collection is None:
                return set()
            found = await collection.get(ids=list(map(str, ids)), include=[])
            return set(map(UUID, found["ids"]))

        return await self._run(list_known) if ids else set()

    async def upsert(
        self, user_id: UUID, ids: Sequence[UUID], vectors: Sequence[Sequence[float]]
    ) -> None:
        async def upsert() -> None:
            client = await self._connect()
            collection = await client.get_or_create_collection(
                self._names.name(user_id), embedding_function=None, configuration=CONFIGURATION
            )
            await collection.upsert(ids=list(map(str, ids)), embeddings=list(vectors))

        if ids:
            await self._run(upsert)

    async def search(self, user_id: UUID, vector: Sequence[float], limit: int) -> list[UUID]:
        async def search() -> list[UUID]:
            collection = await self._find(user_id)
            if collection is None:
                return []
            found = await collection.query(
                query_embeddings=[list(vector)], n_results=limit, include=[]
            )
            return [UUID(each) for each in found["ids"][0]]

        return await self._run(search)

    async def delete(self, user_id: UUID, ids: Sequence[UUID]) -> None:
        async def delete() -> None:
            if collection := await self._find(user_id):
                await collection.delete(ids=list(map(str, ids)))

        if ids:
            await self._run(delete)

    async def erase(self, user_id: UUID) -> None:
        async def erase() -> None:
            client = await self._connect()
            prefix, offset, names = self._names.prefix(user_id), 0, list[str]()
            while page := await client.list_collections(limit=_PAGE, offset=offset):
                names += [each.name for each in page if each.name.startswith(prefix)]
                offset += len(page)
            for name in names:
                await client.delete_collection(name)

        await self._run(erase, seconds=_ERASE_SECONDS)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client._server.__aexit__(None, None, None)  # noqa: SLF001  # it offers no close

    async def _run(self, call: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
        await asyncio.to_thread(_import)
        return await self._calls.run(call(), seconds=seconds)

    async def _connect(self) -> Any:
        if self._client is None:
            chromadb, Settings = _import()  # noqa: N806  # a class
            secure = self._url.scheme == "https"
            self._client = await chromadb.AsyncHttpClient(
                host=self._url.hostname or "",
                port=self._url.port or (443 if secure else 80),
                ssl=secure,
                # Without the second setting this client checks no certificate.
                settings=Settings(anonymized_telemetry=False, chroma_server_ssl_verify=True),
            )
        return self._client

    async def _find(self, user_id: UUID) -> Any:
        from chromadb.errors import NotFoundError

        client = await self._connect()
        try:
            return await client.get_collection(self._names.name(user_id), embedding_function=None)
        except NotFoundError:
            return None


def _import() -> tuple[Any, Any]:
    """Import what takes a second, and only a process with a memory needs."""
    import chromadb
    from chromadb.config import Settings

    return chromadb, Settings
