"""Passes a person's decisions to the runs that wait for them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast
from uuid import UUID

from jsonschema import Draft202012Validator

from msaas.contracts import ApproveStep, Message, ResumeRun
from msaas.gateway.application.agent_ports import AgentViews
from msaas.gateway.application.errors import (
    AnswerRefused,
    ApprovalNotFound,
    CommandConflict,
    FieldFault,
    RunNotFound,
)
from msaas.gateway.application.ports import CommandSender, Row

_MAX_FAULTS: Final = 20


class DecideApprovals:
    def __init__(self, views: AgentViews, commands: CommandSender) -> None:
        self._views = views
        self._commands = commands

    async def approve(self, command: ApproveStep, correlation_id: str) -> Row:
        approval = await self._find(command.user_id, command.run_id, command.approval_id)
        if approval["kind"] != "approval":
            raise CommandConflict("This asks for an answer and not for an approval.")
        return await self._decide(approval, command, correlation_id)

    async def answer(self, command: ResumeRun, correlation_id: str) -> Row:
        approval = await self._find(command.user_id, command.run_id, command.approval_id)
        if approval["kind"] != "answer":
            raise CommandConflict("This asks for an approval and not for an answer.")
        if faults := find_faults(approval["form"], command.answer):
            raise AnswerRefused(faults)
        return await self._decide(approval, command, correlation_id)

    async def _find(self, user_id: UUID, run_id: UUID, approval_id: UUID) -> Row:
        approvals = await self._views.list_approvals(user_id, run_id)
        if approvals is None:
            raise RunNotFound
        for approval in approvals:
            if approval["id"] == approval_id:
                return approval
        raise ApprovalNotFound

    async def _decide(self, approval: Row, command: Message, correlation_id: str) -> Row:
        """Return what counts: the first decision, whoever made it."""
        reply = await self._commands.send(command, correlation_id)
        return {"id": approval["id"], "state": reply["state"]}


def find_faults(form: Mapping[str, Any], answer: Mapping[str, Any]) -> Sequence[FieldFault]:
    """Say where an answer does not fit its form, without a word of the answer."""
    validator: Any = Draft202012Validator(cast("Any", form))
    faults = (fault for error in validator.iter_errors(answer) for fault in _describe(error))
    return list(islice(faults, _MAX_FAULTS))


def _describe(error: Any) -> Iterator[FieldFault]:
    path = tuple(error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield from (FieldFault("missing", (*path, name), "Field required") for name in missing)
    elif error.validator == "additionalProperties":
        yield FieldFault("extra_forbidden", path, "The form has no such field")
    else:
        kind = str(error.validator)
        yield FieldFault(kind, path, f"Must keep to {kind} {error.validator_value}"[:200])
