"""Sends commands to the services and turns their refusals into errors."""

from collections.abc import Mapping
from typing import Any

from msaas.contracts import Message, ReplyProblem
from msaas.gateway.application.errors import (
    CommandConflict,
    CommandInvalid,
    EventUnreadable,
    IdempotencyMismatch,
    JobNotFound,
    NotAllowed,
    PayloadTooLarge,
    PaymentDeclined,
    PlanForbidden,
    QuotaExceeded,
    UnknownRefusal,
)
from msaas.kernel import MsaasError, Overloaded
from msaas.messaging import CommandClient, CommandRefused

COMMANDS_TOPIC = "jobs.commands"
COMMAND_TIMEOUT_SECONDS = 5.0
BILLING_TOPIC = "billing.commands"
WEBHOOKS_TOPIC = "billing.webhooks"
# Billing calls Stripe before it answers.
BILLING_TIMEOUT_SECONDS = 10.0
_ERRORS_BY_CODE: Mapping[str, type[MsaasError]] = {
    "quota_exceeded": QuotaExceeded,
    "plan_forbidden": PlanForbidden,
    "idempotency_mismatch": IdempotencyMismatch,
    "forbidden": NotAllowed,
    "conflict": CommandConflict,
    "not_found": JobNotFound,
    "validation_failed": CommandInvalid,
    "payload_too_large": PayloadTooLarge,
    "malformed": EventUnreadable,
    "payment_declined": PaymentDeclined,
}


class BrokerCommandSender:
    def __init__(
        self,
        client: CommandClient,
        topic: str = COMMANDS_TOPIC,
        timeout: float = COMMAND_TIMEOUT_SECONDS,
    ) -> None:
        self._client = client
        self._topic = topic
        self._timeout = timeout

    async def send(self, command: Message, correlation_id: str) -> Mapping[str, Any]:
        try:
            reply = await self._client.call(
                self._topic, command, ttl=self._timeout, correlation_id=correlation_id
            )
        except CommandRefused as refusal:
            raise _build_error(refusal.problem) from None
        return reply.data

    def parse_refusal(self, problem: Mapping[str, Any]) -> MsaasError:
        return _build_error(ReplyProblem.model_validate(problem))


def _build_error(problem: ReplyProblem) -> MsaasError:
    return _get_error_type(problem)(problem.detail, **problem.context)


def _get_error_type(problem: ReplyProblem) -> type[MsaasError]:
    if problem.retryable:
        return Overloaded  # rows were locked, for example
    return _ERRORS_BY_CODE.get(problem.code, UnknownRefusal)
