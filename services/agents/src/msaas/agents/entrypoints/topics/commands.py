"""The topic agents.commands: a person's answers and decisions."""

from collections.abc import Sequence
from typing import Final

from msaas.agents.application.answer_questions import AnswerQuestions
from msaas.contracts import ApproveStep, ResumeRun
from msaas.kernel import MsaasError
from msaas.messaging import Delivery, OutgoingMessage
from msaas.postgres import DatabaseUnavailable
from msaas.telemetry import get_logger

TOPIC: Final = "agents.commands"
MAX_BATCH: Final = 50


class CommandsHandler:
    def __init__(self, answer: AnswerQuestions) -> None:
        self._answer = answer
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return [message for delivery in batch for message in await self._handle(delivery)]

    async def _handle(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        """Reply after the commit; a command that is handled again gets the same reply."""
        command = delivery.message
        if not isinstance(command, ResumeRun | ApproveStep):
            raise TypeError(f"{TOPIC} does not carry {command.type_name()}")
        if delivery.has_expired and not delivery.is_redelivery:
            return []  # its sender has timed out, and sends another one
        try:
            state = await self._answer(command)
        except DatabaseUnavailable:
            raise  # nothing is answered: the batch is tried again
        except MsaasError as refusal:
            self._log.info("command_refused", command=command.type_name(), code=refusal.code)
            return delivery.reply_error(refusal)
        return delivery.reply_success(state=state)
