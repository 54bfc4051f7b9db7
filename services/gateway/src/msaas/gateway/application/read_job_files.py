"""Lists the files of a job: those of the run that decided it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msaas.gateway.application.errors import FileNotFound, JobNotFound
from msaas.gateway.application.ports import ArtifactFiles, JobViews, StoredFile
from msaas.kernel import Clock

LINK_LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A file and its download link, which works until `expires_at`."""

    name: str
    content_type: str
    size: int
    created_at: datetime
    url: str
    expires_at: datetime


class ReadJobFiles:
    """Finds no files if no artifact store is configured."""

    def __init__(self, views: JobViews, files: ArtifactFiles | None, clock: Clock) -> None:
        self._views = views
        self._files = files
        self._clock = clock

    async def list(
        self, user_id: UUID, job_id: UUID, only: str | None = None
    ) -> Sequence[SignedFile]:
        """Return all files, or the one named `only`."""
        fence = await self._find_deciding_run(user_id, job_id)
        if self._files is None or fence is None:
            return []
        stored_files = await self._files.list_run_artifacts(job_id, fence)
        return [
            await self._sign(self._files, job_id, fence, file)
            for file in stored_files
            if only in {None, file.name}
        ]

    async def get(self, user_id: UUID, job_id: UUID, name: str) -> SignedFile:
        files = await self.list(user_id, job_id, only=name)
        if not files:
            raise FileNotFound
        return files[0]

    async def _find_deciding_run(self, user_id: UUID, job_id: UUID) -> UUID | None:
        row = await self._views.find_deciding_run(user_id, job_id)
        if row is None:
            raise JobNotFound
        return row["decided_by"]

    async def _sign(
        self, files: ArtifactFiles, job_id: UUID, fence: UUID, file: StoredFile
    ) -> SignedFile:
        seconds = LINK_LIFETIME.total_seconds()
        return SignedFile(
            name=file.name,
            content_type=file.content_type,
            size=file.size,
            created_at=file.created_at,
            url=await files.sign_download(job_id, fence, file.name, seconds),
            expires_at=self._clock.now() + LINK_LIFETIME,
        )
