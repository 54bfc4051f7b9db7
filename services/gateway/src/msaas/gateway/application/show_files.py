"""The files that a job has left behind: those of the run that decided it, and of no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msaas.gateway.application.errors import FileNotFound, JobNotFound
from msaas.gateway.application.ports import Files, JobViews, StoredFile
from msaas.kernel import Clock

LINKS_LIVE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """A file, and where it can be had until `expires_at`."""

    name: str
    content_type: str
    size: int
    created_at: datetime
    url: str
    expires_at: datetime


class ShowFiles:
    """Without a place for files there are none."""

    def __init__(self, views: JobViews, files: Files | None, clock: Clock) -> None:
        self._views = views
        self._files = files
        self._clock = clock

    async def list(
        self, user_id: UUID, job_id: UUID, only: str | None = None
    ) -> Sequence[LinkedFile]:
        """List them all, or the one of that name."""
        fence = await self._find_run(user_id, job_id)
        if self._files is None or fence is None:
            return []
        found = await self._files.list_run(job_id, fence)
        return [
            await self._link(self._files, job_id, fence, one)
            for one in found
            if only in {None, one.name}
        ]

    async def get(self, user_id: UUID, job_id: UUID, name: str) -> LinkedFile:
        found = await self.list(user_id, job_id, only=name)
        if not found:
            raise FileNotFound
        return found[0]

    async def _find_run(self, user_id: UUID, job_id: UUID) -> UUID | None:
        row = await self._views.find_decision(user_id, job_id)
        if row is None:
            raise JobNotFound
        return row["decided_by"]

    async def _link(self, files: Files, job_id: UUID, fence: UUID, one: StoredFile) -> LinkedFile:
        seconds = LINKS_LIVE.total_seconds()
        return LinkedFile(
            name=one.name,
            content_type=one.content_type,
            size=one.size,
            created_at=one.created_at,
            url=await files.sign_download(job_id, fence, one.name, seconds),
            expires_at=self._clock.now() + LINKS_LIVE,
        )
