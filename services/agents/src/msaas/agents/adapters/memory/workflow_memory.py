"""The memory of workflows: texts in Postgres, their vectors beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from msaas.agents.adapters.memory.chroma_server import ChromaServer
from msaas.agents.adapters.memory.embedded_chroma import EmbeddedChroma
from msaas.agents.adapters.memory.vectors import CollectionNames, Vectors
from msaas.agents.application.ports import Embedder
from msaas.agents.application.stores import MemoryTexts
from msaas.agents.domain.errors import MemoryUnavailable
from msaas.agents.domain.evidence import Passage
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics


def get_vectorstore(
    *,
    url: str | None,
    folder: str | None,
    key: str,
    model: str,
    metrics: Metrics,
    seconds: float = 5.0,
) -> Vectors:
    """Return the server where there is one, and a folder of this process otherwise."""
    names = CollectionNames(key, model)
    if url:
        return ChromaServer(url, names, metrics, seconds=seconds)
    return EmbeddedChroma(Path(folder or "chroma"), names, metrics, seconds=seconds)


@dataclass(frozen=True, slots=True)
class MemoryParts:
    texts: MemoryTexts
    vectors: Vectors
    embedder: Embedder

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        try:
            return await self.embedder.embed(texts, query=query) if texts else []
        except DependencyUnavailable as error:
            raise MemoryUnavailable(target="embeddings", reason=error.code) from None


async def upsert_workflow_context(
    parts: MemoryParts, user_id: UUID, passages: Sequence[Passage]
) -> int:
    """Store passages, each text once, and return how many there are; only new ones cost time."""
    stored = dict(await parts.texts.add(user_id, passages))
    known = await parts.vectors.list_known(user_id, list(stored))
    new = {each: passage for each, passage in stored.items() if each not in known}
    embedded = await parts.embed([passage.text for passage in new.values()])
    await parts.vectors.upsert(user_id, list(new), embedded)
    return len(stored)


async def search_workflow_context(
    parts: MemoryParts, user_id: UUID, query: str, limit: int
) -> list[Passage]:
    """Return the passages that are nearest; vectors whose text has expired are removed."""
    [vector] = await parts.embed([query], query=True)
    found = await parts.vectors.search(user_id, vector, limit)
    passages = await parts.texts.load(user_id, found)
    await parts.vectors.delete(user_id, [each for each in found if each not in passages])
    return [passages[each] for each in found if each in passages]


class WorkflowMemory:
    """The port `Memory`; it raises MemoryUnavailable, and the run goes on without."""

    def __init__(self, parts: MemoryParts) -> None:
        self._parts = parts

    async def upsert(self, user_id: UUID, run_id: UUID, passages: Sequence[Passage]) -> int:  # noqa: ARG002  # the port names the run
        return await upsert_workflow_context(self._parts, user_id, passages)

    async def search(self, user_id: UUID, query: str, limit: int) -> Sequence[Passage]:
        return await search_workflow_context(self._parts, user_id, query, limit)

    async def forget(self, user_id: UUID) -> None:
        """Erase the texts first: what remains after a failure is numbers without a meaning."""
        await self._parts.texts.forget(user_id)
        await self._parts.vectors.erase(user_id)

    async def close(self) -> None:
        await self._parts.vectors.close()
