"""Cancels or retries the jobs that a search finds, as one change that jobs carries out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import MAX_BULK_JOBS, BulkAction, ChangeJobs
from msaas.gateway.application.errors import BulkChangeNotFound
from msaas.gateway.application.ports import CommandSender, JobFilter, Row
from msaas.gateway.domain.search_terms import Match, Pattern, Search
from msaas.kernel import derive_id

# Only these can be changed; others that the search finds are left out.
_CHANGEABLE: Final[Mapping[BulkAction, Match]] = {
    BulkAction.CANCEL: Match("status", (Pattern("queued"), Pattern("running"))),
    BulkAction.RETRY: Match("status", (Pattern("failed"),)),
}


class BulkCount(NamedTuple):
    """`holds` are the units that a retry would hold."""

    jobs: int
    holds: int


class BulkViews(Protocol):
    """Reads with the permissions of the user."""

    async def count(self, user_id: UUID, job_filter: JobFilter) -> tuple[int, int]:
        """Count the jobs, and those that are billable."""
        ...

    async def list_ids(self, user_id: UUID, job_filter: JobFilter, limit: int) -> Sequence[UUID]:
        """List the oldest jobs first."""
        ...

    async def find(self, user_id: UUID, bulk_id: UUID) -> Row | None: ...


class ChangeJobsInBulk:
    def __init__(self, views: BulkViews, commands: CommandSender) -> None:
        self._views = views
        self._commands = commands

    async def count(self, user_id: UUID, action: BulkAction, search: Search) -> BulkCount:
        count, billable = await self._views.count(user_id, _build_filter(action, search))
        return BulkCount(count, billable if action is BulkAction.RETRY else 0)

    async def __call__(
        self, user_id: UUID, action: BulkAction, search: Search, key: str, correlation_id: str
    ) -> Row:
        """Begin the change; a repeat with the same key returns the first one."""
        bulk_id = derive_id(user_id, f"bulk:{key}")
        if known := await self._views.find(user_id, bulk_id):
            return known
        job_filter = _build_filter(action, search)
        job_ids = await self._views.list_ids(user_id, job_filter, MAX_BULK_JOBS)
        command = ChangeJobs(
            bulk_id=bulk_id, user_id=user_id, action=action, job_ids=tuple(job_ids)
        )
        await self._commands.send(command, correlation_id)
        return await self.find(user_id, bulk_id)

    async def find(self, user_id: UUID, bulk_id: UUID) -> Row:
        found = await self._views.find(user_id, bulk_id)
        if found is None:
            raise BulkChangeNotFound
        return found


def _build_filter(action: BulkAction, search: Search) -> JobFilter:
    return JobFilter(search=(*search, _CHANGEABLE[action]), as_of=datetime.now(UTC))
