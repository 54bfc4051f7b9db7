"""A memory and an embedder of tests that need neither."""

from collections.abc import Sequence
from uuid import UUID

from msaas.agents.domain.errors import MemoryUnavailable
from msaas.agents.domain.evidence import Passage


class NoMemory:
    """A Memory that is away."""

    async def upsert(self, user_id: UUID, run_id: UUID, passages: Sequence[Passage]) -> int:
        raise MemoryUnavailable

    async def search(self, user_id: UUID, query: str, limit: int) -> Sequence[Passage]:
        raise MemoryUnavailable

    async def forget(self, user_id: UUID) -> None:
        raise MemoryUnavailable


class NoEmbedder:
    """An Embedder for which all texts are alike."""

    dimensions = 1

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        del query
        return [[1.0] for _ in texts]
