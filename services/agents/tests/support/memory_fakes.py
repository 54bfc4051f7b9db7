"""The texts of memories without a database, and vectors without a model."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from uuid import UUID, uuid5

import numpy as np

from msaas.agents.domain.evidence import Passage


class TextsInMemory:
    """A MemoryTexts; `rows` is what is stored, by user and id."""

    def __init__(self) -> None:
        self.rows: dict[UUID, dict[UUID, Passage]] = {}

    async def add(
        self, user_id: UUID, passages: Sequence[Passage]
    ) -> Sequence[tuple[UUID, Passage]]:
        rows = self.rows.setdefault(user_id, {})
        found: dict[UUID, Passage] = {}
        for passage in passages:
            key = uuid5(user_id, passage.text)
            found[key] = rows.setdefault(key, passage)
        return list(found.items())

    async def load(self, user_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Passage]:
        rows = self.rows.get(user_id, {})
        return {each: rows[each] for each in ids if each in rows}

    async def forget(self, user_id: UUID) -> int:
        return len(self.rows.pop(user_id, {}))


class WordEmbedder:
    """Vectors by the words of a text: texts that share words are near each other."""

    def __init__(self, dimensions: int = 64, model: str = "words-1") -> None:
        self.dimensions = dimensions
        self.model = model
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        if not query:
            self.embedded += texts
        return [self.vector(text) for text in texts]

    def vector(self, text: str) -> list[float]:
        total = np.full(self.dimensions, 1e-3)
        for word in text.lower().split():
            seed = int.from_bytes(sha256(word.strip(".,?!").encode()).digest()[:4])
            total += np.random.default_rng(seed).normal(size=self.dimensions)
        vector: list[float] = (total / np.linalg.norm(total)).tolist()
        return vector

    async def close(self) -> None:
        pass


def make_passage(text: str, url: str = "https://example.com/") -> Passage:
    return Passage(
        url=url, sha256=sha256(text.encode()).hexdigest(), start=0, end=len(text), text=text
    )
