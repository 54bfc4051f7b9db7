"""The ports of the use cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import JobStatus, Message
from msaas.gateway.domain.job_order import JobOrder
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.search_terms import Search
from msaas.kernel import MsaasError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """All parts must hold; search and order are evaluated `as_of` a moment."""

    status: JobStatus | None = None
    task_type: str | None = None
    created_after: datetime | None = None
    search: Search = ()
    order: JobOrder = JobOrder.NEWEST
    as_of: datetime | None = None


class JobHistory(NamedTuple):
    job: Row
    attempts: Sequence[Row]
    charges: Sequence[Row]


class JobViews(Protocol):
    """Reads with the permissions of the user."""

    async def find_job(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_progress(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_result(self, user_id: UUID, job_id: UUID) -> Row | None: ...

    async def find_deciding_run(self, user_id: UUID, job_id: UUID) -> Row | None:
        """Return the run that decided the job, or None if none has yet."""
        ...

    async def list_jobs(
        self, user_id: UUID, job_filter: JobFilter, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        """Rows have a `position` for the cursor, unless they are ordered by `created_at`."""
        ...

    async def read_snapshot(
        self, user_id: UUID, limit: int
    ) -> tuple[Sequence[Row], Mapping[str, int]]:
        """Read the newest jobs, and count all jobs by status."""
        ...

    async def list_rows(self, user_id: UUID, job_ids: Sequence[UUID]) -> Sequence[Row]:
        """Return those of the jobs that the user has, in any order."""
        ...

    async def count_jobs(self, user_id: UUID, job_filter: JobFilter) -> Mapping[str, int]:
        """Count the jobs of each status that occurs."""
        ...

    async def list_attempts(self, user_id: UUID, job_id: UUID) -> Sequence[Row] | None:
        """Return None if the job does not exist."""
        ...

    async def find_history(self, user_id: UUID, job_id: UUID) -> JobHistory | None:
        """Read everything in one transaction, so that its parts agree."""
        ...

    async def find_account(self, user_id: UUID) -> Row | None: ...

    async def find_usage(self, user_id: UUID) -> Row | None:
        """Return the usage of the current period."""
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
    """The files that runs produced, and links to them."""

    async def list_run_artifacts(self, job_id: UUID, fence: UUID) -> Sequence[StoredFile]: ...

    async def sign_download(self, job_id: UUID, fence: UUID, name: str, seconds: float) -> str: ...


class CommandSender(Protocol):
    async def send(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        """Return the reply once the command is committed; raise its refusal."""
        ...

    def parse_refusal(self, problem: Mapping[str, Any]) -> MsaasError:
        """Return the error of one refused item of a batch."""
        ...


class Sink(Protocol):
    """The output of one stream; no method waits for the client."""

    @property
    def write_buffer_size(self) -> int:
        """The number of bytes that the client has not received yet."""
        ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Close after the client has received everything."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...
