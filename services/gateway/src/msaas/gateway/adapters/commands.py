"""Carries commands to the service that owns the jobs, and its refusals back as errors."""

from collections.abc import Mapping
from typing import Any

from msaas.contracts import Message, ReplyProblem
from msaas.gateway.application.errors import (
    IdempotencyMismatch,
    JobNotFound,
    NotAllowed,
    NotPossible,
    NotUnderstood,
    PlanForbidden,
    QuotaExceeded,
    RefusalUnknown,
)
from msaas.kernel import MsaasError, Overloaded
from msaas.messaging import CommandClient, CommandRefused

TOPIC = "jobs.commands"
PATIENCE = 5.0
_REFUSALS: Mapping[str, type[MsaasError]] = {
    "quota_exceeded": QuotaExceeded,
    "plan_forbidden": PlanForbidden,
    "idempotency_mismatch": IdempotencyMismatch,
    "forbidden": NotAllowed,
    "conflict": NotPossible,
    "not_found": JobNotFound,
    "validation_failed": NotUnderstood,
}


class WireCommands:
    def __init__(self, client: CommandClient) -> None:
        self._client = client

    async def carry_out(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        try:
            reply = await self._client.call(
                TOPIC, command, ttl=PATIENCE, correlation_id=correlation_id
            )
        except CommandRefused as refusal:
            raise _read(refusal.problem) from None
        return reply.data

    def read_refusal(self, problem: Mapping[str, Any]) -> MsaasError:
        return _read(ReplyProblem.model_validate(problem))


def _read(problem: ReplyProblem) -> MsaasError:
    return _error_for(problem)(problem.detail, **problem.context)


def _error_for(problem: ReplyProblem) -> type[MsaasError]:
    if problem.retryable:
        return Overloaded  # rows were locked, say: the same again may well be accepted
    return _REFUSALS.get(problem.code, RefusalUnknown)
