"""Handing a job on to its owner, under an id that a repeat finds again."""

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
from msaas.flags import Subject
from msaas.gateway.application.errors import JobNotFound, NotAllowed, PlanForbidden
from msaas.gateway.application.features import Features
from msaas.gateway.application.ports import Commands
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.kernel import MsaasError, new_id
from msaas.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job as it was asked for, with parameters that the catalogue has approved."""

    task: Task
    params: Mapping[str, Any]
    priority: int
    run_at: datetime | None
    deadline_at: datetime | None
    source: Source
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Submitted:
    job_id: UUID
    status: str
    is_replay: bool


class JobSubmission:
    def __init__(
        self, commands: Commands, fingerprint_key: bytes, sealer: Sealer, features: Features
    ) -> None:
        self._commands = commands
        self._features = features
        self._key = fingerprint_key
        self._sealer = sealer

    async def __call__(self, who: Subject, request: Request, correlation_id: str) -> Submitted:
        plan = Plan(who.plan)
        if refusal := self._refuse(who, request):
            raise refusal
        command = SubmitJob(
            user_id=who.user_id, plan=plan, source=request.source, **dict(self._item(request))
        )
        return _read(await self._carry_out(command, correlation_id))

    async def batch(
        self, who: Subject, requests: Sequence[Request], correlation_id: str
    ) -> Sequence[Submitted | MsaasError]:
        """Answer for each request, in their order; what plan or flag rules out is not even sent."""
        refused = [self._refuse(who, one) for one in requests]
        items = [
            self._item(one, n)
            for n, (one, refusal) in enumerate(zip(requests, refused, strict=True))
            if refusal is None
        ]
        if not items:
            return [one for one in refused if one]
        command = SubmitJobs(
            user_id=who.user_id,
            plan=Plan(who.plan),
            source=requests[0].source,
            jobs=tuple(items),
        )
        answer = await self._carry_out(command, correlation_id)
        answered = iter(answer["items"])
        return [refusal or self._outcome(next(answered)) for refusal in refused]

    def _refuse(self, who: Subject, request: Request) -> MsaasError | None:
        if who.plan not in request.task.plans:
            return PlanForbidden(task_type=request.task.task_type)
        return self._features.find_refusal(request.task.flags, who)

    async def _carry_out(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        try:
            return await self._commands.carry_out(command, correlation_id)
        except JobNotFound:
            # What a submission cannot find is its user, whose row has just gone.
            raise NotAllowed("There is no such account.") from None

    def _outcome(self, item: Mapping[str, Any]) -> Submitted | MsaasError:
        return _read(item) if item["ok"] else self._commands.read_refusal(item["problem"])

    def _item(self, request: Request, number: int = 0) -> JobItem:
        job_id = new_id()
        return JobItem(
            job_id=job_id,
            task_type=request.task.task_type,
            payload=self._seal_secrets(job_id, request),
            priority=request.priority,
            run_at=request.run_at,
            deadline_ts=request.deadline_at,
            idempotency=self._idempotency(request, number),
        )

    def _seal_secrets(self, job_id: UUID, request: Request) -> dict[str, Any]:
        secrets = request.task.secrets
        return {
            name: self._sealer.seal(value, str(job_id), name)
            if name in secrets and value is not None
            else value
            for name, value in request.params.items()
        }

    def _idempotency(self, request: Request, number: int) -> Idempotency | None:
        if request.idempotency_key is None:
            return None
        same = {
            "task_type": request.task.task_type,
            "params": request.params,
            "priority": request.priority,
            "run_at": request.run_at,
            "deadline_at": request.deadline_at,
        }
        mark = fingerprint(self._key, same)
        return Idempotency(key=request.idempotency_key, item=number, fingerprint=mark)


def _read(answer: Mapping[str, Any]) -> Submitted:
    return Submitted(UUID(answer["job_id"]), answer["status"], answer["replayed"])
