"""What the memory asks of a vector database: ids and vectors, in a collection for each user."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol
from uuid import UUID

# Written to disk early, so that little is left in the queue that Chroma keeps of deleted rows.
CONFIGURATION: Final = {"hnsw": {"space": "cosine", "sync_threshold": 10, "batch_size": 10}}


class Vectors(Protocol):
    """Each call ends within a deadline, or raises MemoryUnavailable."""

    async def list_known(self, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]: ...

    async def upsert(
        self, user_id: UUID, ids: Sequence[UUID], vectors: Sequence[Sequence[float]]
    ) -> None: ...

    async def search(self, user_id: UUID, vector: Sequence[float], limit: int) -> list[UUID]:
        """Return the ids of the nearest vectors, the nearest first."""
        ...

    async def delete(self, user_id: UUID, ids: Sequence[UUID]) -> None: ...

    async def erase(self, user_id: UUID) -> None:
        """Delete the collections of the user, of every model, with the bytes that they left."""
        ...

    async def close(self) -> None: ...


class CollectionNames:
    """Names that show neither the user nor, without the key, that two belong to one user."""

    def __init__(self, key: str, model: str) -> None:
        self._key = key.encode()
        self._model = sha256(model.encode()).hexdigest()[:12]

    def prefix(self, user_id: UUID) -> str:
        return f"u{hmac.digest(self._key, user_id.bytes, 'sha256').hex()[:40]}."

    def name(self, user_id: UUID) -> str:
        """Name a collection by its model too: vectors of another model cannot be compared."""
        return f"{self.prefix(user_id)}{self._model}"
