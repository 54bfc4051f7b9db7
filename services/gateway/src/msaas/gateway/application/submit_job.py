"""Submits jobs to the jobs service; a repeat with the same Idempotency-Key finds the first job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msaas.contracts import (
    Idempotency,
    JobItem,
    Message,
    Plan,
    Source,
    SubmitJob,
    SubmitJobs,
    Task,
)
from msaas.flags import FlagContext
from msaas.gateway.application.errors import JobNotFound, NotAllowed, PlanForbidden
from msaas.gateway.application.features import Features
from msaas.gateway.application.ports import CommandSender
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.kernel import MsaasError, new_id
from msaas.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmissionRequest:
    """A job as requested, with parameters that are valid for its task."""

    task: Task
    params: Mapping[str, Any]
    priority: int
    run_at: datetime | None
    deadline_at: datetime | None
    source: Source
    idempotency_key: str | None
    api_key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    job_id: UUID
    status: str
    is_replay: bool


class JobSubmission:
    def __init__(
        self, commands: CommandSender, fingerprint_key: bytes, sealer: Sealer, features: Features
    ) -> None:
        self._commands = commands
        self._features = features
        self._fingerprint_key = fingerprint_key
        self._sealer = sealer

    async def __call__(
        self, subject: FlagContext, request: JobSubmissionRequest, correlation_id: str
    ) -> SubmittedJob:
        plan = Plan(subject.plan)
        if refusal := self._find_refusal(subject, request):
            raise refusal
        command = SubmitJob(
            user_id=subject.user_id,
            plan=plan,
            source=request.source,
            api_key_id=request.api_key_id,
            **dict(self._build_item(request)),
        )
        return _parse_submitted(await self._send(command, correlation_id))

    async def batch(
        self, subject: FlagContext, requests: Sequence[JobSubmissionRequest], correlation_id: str
    ) -> Sequence[SubmittedJob | MsaasError]:
        """Return an outcome per request, in order; jobs that plan or flag refuse are not sent."""
        refusals = [self._find_refusal(subject, request) for request in requests]
        items = [
            self._build_item(request, n)
            for n, (request, refusal) in enumerate(zip(requests, refusals, strict=True))
            if refusal is None
        ]
        if not items:
            return [refusal for refusal in refusals if refusal]
        command = SubmitJobs(
            user_id=subject.user_id,
            plan=Plan(subject.plan),
            source=requests[0].source,
            api_key_id=requests[0].api_key_id,
            jobs=tuple(items),
        )
        reply = await self._send(command, correlation_id)
        replied = iter(reply["items"])
        return [refusal or self._parse_outcome(next(replied)) for refusal in refusals]

    def _find_refusal(
        self, subject: FlagContext, request: JobSubmissionRequest
    ) -> MsaasError | None:
        if subject.plan not in request.task.plans:
            return PlanForbidden(task_type=request.task.task_type)
        return self._features.find_refusal(request.task.flags, subject)

    async def _send(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        try:
            return await self._commands.send(command, correlation_id)
        except JobNotFound:
            # A submission names no job: the user has just been erased.
            raise NotAllowed("Account not found.") from None

    def _parse_outcome(self, item: Mapping[str, Any]) -> SubmittedJob | MsaasError:
        return (
            _parse_submitted(item) if item["ok"] else self._commands.parse_refusal(item["problem"])
        )

    def _build_item(self, request: JobSubmissionRequest, number: int = 0) -> JobItem:
        job_id = new_id()
        return JobItem(
            job_id=job_id,
            task_type=request.task.task_type,
            payload=self._seal_secrets(job_id, request),
            priority=request.priority,
            run_at=request.run_at,
            deadline_ts=request.deadline_at,
            idempotency=self._build_idempotency(request, number),
        )

    def _seal_secrets(self, job_id: UUID, request: JobSubmissionRequest) -> dict[str, Any]:
        secrets = request.task.secrets
        return {
            name: self._sealer.seal(value, str(job_id), name)
            if name in secrets and value is not None
            else value
            for name, value in request.params.items()
        }

    def _build_idempotency(self, request: JobSubmissionRequest, number: int) -> Idempotency | None:
        if request.idempotency_key is None:
            return None
        compared = {
            "task_type": request.task.task_type,
            "params": request.params,
            "priority": request.priority,
            "run_at": request.run_at,
            "deadline_at": request.deadline_at,
        }
        request_fingerprint = fingerprint(self._fingerprint_key, compared)
        return Idempotency(
            key=request.idempotency_key, item=number, fingerprint=request_fingerprint
        )


def _parse_submitted(reply: Mapping[str, Any]) -> SubmittedJob:
    return SubmittedJob(UUID(reply["job_id"]), reply["status"], reply["replayed"])
