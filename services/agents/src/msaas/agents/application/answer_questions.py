"""Stores a person's answer or decision, once, and wakes the run that waits for it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from msaas.agents.application.run_ports import JobWaker
from msaas.agents.application.stores import ApprovalStore
from msaas.agents.domain.effects import ApprovalState, StoredApproval
from msaas.agents.domain.errors import ApprovalNotFound
from msaas.contracts import ApproveStep, ResumeRun
from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError, Overloaded
from msaas.telemetry import get_logger


class AnswerInvalid(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "The answer does not fit the form."


class AnswerQuestions:
    def __init__(self, approvals: ApprovalStore, waker: JobWaker) -> None:
        self._approvals = approvals
        self._waker = waker
        self._log = get_logger()

    async def __call__(self, command: ResumeRun | ApproveStep) -> ApprovalState:
        """Return the state that counts: that of the first decision."""
        question = await self._approvals.find(command.approval_id, command.user_id)
        if question is None or question.run_id != command.run_id:
            raise ApprovalNotFound
        state, answer = _read(command, question)
        decided = await self._approvals.decide(question.id, command.user_id, state, answer)
        self._log.info("question_decided", run_id=str(question.run_id), state=decided.state)
        await self._wake(question)
        return decided.state

    async def _wake(self, question: StoredApproval) -> None:
        try:
            await self._waker.wake(question.run_id, question.user_id, answered=True)
        except (DependencyUnavailable, Overloaded):  # the timer wakes it
            self._log.warning("run_not_woken", run_id=str(question.run_id))


def _read(
    command: ResumeRun | ApproveStep, question: StoredApproval
) -> tuple[ApprovalState, Mapping[str, Any] | None]:
    if isinstance(command, ResumeRun):
        if question.state == "open":
            check_answer(question.form, command.answer)
        return "answered", command.answer
    note = None if command.note is None else {"note": command.note}
    return ("approved" if command.approved else "denied"), note


def check_answer(form: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    try:
        validator: Any = Draft202012Validator(form)
        fits = bool(validator.is_valid(answer))
    except SchemaError:
        fits = False
    if not fits:
        raise AnswerInvalid
