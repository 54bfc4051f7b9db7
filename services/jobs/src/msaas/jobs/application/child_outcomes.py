"""Tells the service of workflows how their jobs, and the children of these, have ended."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from msaas.contracts import TASKS, JobOutcome, JobStatus
from msaas.kernel import MsaasError, derive_id
from msaas.messaging import OutgoingMessage

TOPIC: Final = "jobs.outcomes"
WORKFLOWS: Final = frozenset(
    task.task_type for task in TASKS.values() if task.topic == "jobs.agents"
)
LINK_SECONDS: Final = 3_600
"""A later reader submits the child again and receives its outcome again, with a new link."""


class DownloadLinks(Protocol):
    async def sign_download(self, job_id: UUID, fence: UUID, name: str, seconds: float) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedChild:
    """The row of a child or a workflow; `fence` is the run whose files are the job's."""

    id: UUID
    user_id: UUID
    parent_job_id: UUID | None
    task_type: str
    status: JobStatus
    version: int
    result: dict[str, Any] | None
    result_ref: str | None
    fence: UUID | None
    failure_reason: str | None
    last_error: str | None
    finished_at: datetime
    correlation_id: str


class ChildOutcomes:
    def __init__(self, links: DownloadLinks | None = None) -> None:
        self._links = links

    async def build(
        self, ended: Iterable[EndedChild], traces: Mapping[UUID, str | None]
    ) -> list[OutgoingMessage]:
        return [await self._build(child, traces.get(child.id)) for child in ended]

    async def _build(self, child: EndedChild, traceparent: str | None) -> OutgoingMessage:
        outcome = JobOutcome(
            job_id=child.id,
            user_id=child.user_id,
            parent_job_id=child.parent_job_id,
            task_type=child.task_type,
            status=child.status,
            version=child.version,
            result=child.result,
            result_ref=child.result_ref,
            result_url=await self._sign(child),
            failure_reason=child.failure_reason,
            last_error=child.last_error,
            finished_at=child.finished_at,
        )
        return OutgoingMessage(
            message=outcome,
            topic=TOPIC,
            id=derive_id(child.id, child.version),
            correlation_id=child.correlation_id,
            traceparent=traceparent,
        )

    async def _sign(self, child: EndedChild) -> str | None:
        if self._links is None or child.result_ref is None or child.fence is None:
            return None
        with suppress(MsaasError):  # an outcome without a link is asked for again
            return await self._links.sign_download(
                child.id, child.fence, child.result_ref, LINK_SECONDS
            )
        return None
