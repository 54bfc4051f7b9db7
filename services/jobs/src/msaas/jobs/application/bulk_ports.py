"""The port of bulk changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from msaas.contracts import BulkAction, ChangeJobs


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPart:
    """Some jobs of a bulk change; `done` is how many come before them."""

    action: BulkAction
    done: int
    job_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledBulk:
    bulk_id: UUID
    user_id: UUID
    done: int


class BulkStore(Protocol):
    async def add(self, command: ChangeJobs) -> int:
        """Return the number of its jobs; a repeat adds nothing. Raise UserNotFound."""
        ...

    async def exists(self, bulk_id: UUID) -> bool: ...

    async def find_part(
        self, bulk_id: UUID, user_id: UUID, done: int, limit: int
    ) -> BulkPart | None:
        """Return the jobs after the first `done`; None if there are none."""
        ...

    async def finish_part(self, bulk_id: UUID, part: BulkPart, changed: Sequence[UUID]) -> bool:
        """Count the part, unless it was counted before; return whether the next one is missing."""
        ...

    async def list_stalled(self) -> Sequence[StalledBulk]:
        """List the changes of which no part was finished lately."""
        ...
