"""Handing a job on to its owner, under an id that a repeat finds again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msaas.contracts import Idempotency, Plan, Source, SubmitJob, Task
from msaas.gateway.application.errors import JobNotFound, NotAllowed, PlanForbidden
from msaas.gateway.application.ports import Commands
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.kernel import new_id


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


class SubmitJobs:
    def __init__(self, commands: Commands, fingerprint_key: bytes) -> None:
        self._commands = commands
        self._key = fingerprint_key

    async def __call__(
        self, user_id: UUID, plan: str, request: Request, correlation_id: str
    ) -> Submitted:
        if Plan(plan) not in request.task.plans:
            raise PlanForbidden(task_type=request.task.task_type)
        command = SubmitJob(
            job_id=new_id(),
            user_id=user_id,
            task_type=request.task.task_type,
            payload=dict(request.params),
            plan=Plan(plan),
            source=request.source,
            priority=request.priority,
            run_at=request.run_at,
            deadline_ts=request.deadline_at,
            idempotency=self._idempotency(request),
        )
        try:
            answer = await self._commands.carry_out(command, correlation_id)
        except JobNotFound:
            # What a submission cannot find is its user, whose row has just gone.
            raise NotAllowed("There is no such account.") from None
        return Submitted(UUID(answer["job_id"]), answer["status"], answer["replayed"])

    def _idempotency(self, request: Request) -> Idempotency | None:
        if request.idempotency_key is None:
            return None
        same = {
            "task_type": request.task.task_type,
            "params": request.params,
            "priority": request.priority,
            "run_at": request.run_at,
            "deadline_at": request.deadline_at,
        }
        return Idempotency(key=request.idempotency_key, fingerprint=fingerprint(self._key, same))
