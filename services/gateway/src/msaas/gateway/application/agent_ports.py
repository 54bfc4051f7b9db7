"""What the routes of agent runs read, with the permissions of the user."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    workflow_type: str | None = None
    state: str | None = None


class AgentViews(Protocol):
    async def list_runs(
        self, user_id: UUID, run_filter: RunFilter, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        """Return runs, newest first; one that no worker has begun is `queued`."""
        ...

    async def find_run(self, user_id: UUID, run_id: UUID) -> Row | None:
        """Return the run with its `answer`."""
        ...

    async def list_steps(
        self, user_id: UUID, run_id: UUID, after: int, limit: int
    ) -> Sequence[Row] | None:
        """Return None if the run does not exist."""
        ...

    async def list_approvals(self, user_id: UUID, run_id: UUID) -> Sequence[Row] | None:
        """Return None if the run does not exist."""
        ...

    async def find_passage(
        self, user_id: UUID, run_id: UUID, sha256: str, span: tuple[int, int], around: int | None
    ) -> Row | None:
        """Return a passage and the characters `around` it, or all if `around` is None.

        Return None if the run, the text or the place in the text does not exist.
        """
        ...
