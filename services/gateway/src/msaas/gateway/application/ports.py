"""What the use cases need of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import JobStatus, Message
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.kernel import MsaasError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    status: JobStatus | None = None
    task_type: str | None = None
    created_after: datetime | None = None


class JobHistory(NamedTuple):
    job: Row
    attempts: Sequence[Row]
    charges: Sequence[Row]


class JobViews(Protocol):
    """What a user may see, read as that user."""

    async def find_job(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_progress(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_result(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_deciding_run(self, user_id: UUID, job_id: UUID) -> Row | None:
        """Return which run decided the job, if any has by now."""
        ...

    async def list_jobs(
        self, user_id: UUID, job_filter: JobFilter, before: PageCursor | None, limit: int
    ) -> Sequence[Row]: ...

    async def list_attempts(self, user_id: UUID, job_id: UUID) -> Sequence[Row] | None:
        """Return None where there is no such job."""
        ...

    async def find_history(self, user_id: UUID, job_id: UUID) -> JobHistory | None:
        """Read all of it in one transaction, so that its parts fit together."""
        ...

    async def find_account(self, user_id: UUID) -> Row | None: ...

    async def find_usage(self, user_id: UUID) -> Row | None:
        """Return the present period's counter."""
        ...


class StoredFile(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def created_at(self) -> datetime: ...


class ArtifactFiles(Protocol):
    """What runs have left behind, and links to it."""

    async def list_run_artifacts(self, job_id: UUID, fence: UUID) -> Sequence[StoredFile]: ...

    async def sign_download(self, job_id: UUID, fence: UUID, name: str, seconds: float) -> str: ...


class CommandSender(Protocol):
    async def send(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        """Return the owner's answer once it is committed; its refusal is raised."""
        ...

    def parse_refusal(self, problem: Mapping[str, Any]) -> MsaasError:
        """Read the refusal of one item among many."""
        ...


class Sink(Protocol):
    """Where one reader's frames go; nothing here waits for the reader."""

    @property
    def write_buffer_size(self) -> int:
        """Count the bytes that the reader has left to us."""
        ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """End once everything is read."""
        ...

    def abort(self) -> None:
        """End now."""
        ...
