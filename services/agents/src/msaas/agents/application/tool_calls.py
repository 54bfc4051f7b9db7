"""Calls of tools: the policy, a person's approval, a child job, and its outcome."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from msaas.agents.application.ports import Run, ToolPolicy
from msaas.agents.application.run_ports import ChildJobs, Refusal, Stores
from msaas.agents.domain.effects import NewApproval, NewToolCall, StoredApproval, StoredToolCall
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.runs import StoredRun
from msaas.agents.domain.tools import Allowed, Blocked, NeedsApproval, ToolCall, ToolResult
from msaas.agents.domain.waits import Wait
from msaas.contracts import TASKS
from msaas.kernel import Clock, CommandTimeout, DependencyUnavailable, Overloaded

REFUSED: Final = "REFUSED"
OUTCOME_WAIT: Final = 0.5
OUTCOME_LOOKS: Final = 3
RETRY_AFTER: Final = timedelta(seconds=1)
APPROVAL_TTL: Final = timedelta(days=1)
APPROVAL_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"note": {"type": "string", "maxLength": 500}},
    "additionalProperties": False,
}
MAX_SHOWN: Final = 1_000
UNREACHABLE: Final = (DependencyUnavailable, Overloaded, CommandTimeout)


class ToolCalls:
    """The calls of one run. A call that is stored was allowed before, and is not judged again."""

    def __init__(
        self,
        run: Run,
        stored: StoredRun,
        fence: UUID,
        *,
        stores: Stores,
        policy: ToolPolicy,
        children: ChildJobs,
        clock: Clock,
        correlation_id: str,
        on_blocked: Callable[[str], None],
    ) -> None:
        self._run = run
        self._deadline = stored.deadline_at
        self._fence = fence
        self._stores = stores
        self._policy = policy
        self._children = children
        self._clock = clock
        self._correlation_id = correlation_id
        self._on_blocked = on_blocked

    def observe(self, document: Document) -> None:
        self._policy.observe(document)

    async def call(self, key: str, calls: Sequence[ToolCall]) -> Sequence[ToolResult] | Wait:
        """Return how the calls have ended, or what to wait for before asking again."""
        keyed = {f"{key}.{number}": call for number, call in enumerate(calls)}
        known = {each.call_key: each for each in await self._list_known()}
        judged = {
            each: await self._judge(each, call) for each, call in keyed.items() if each not in known
        }
        open_questions = [each for each in judged.values() if isinstance(each, StoredApproval)]
        if open_questions:
            return Wait(
                approvals=tuple(each.id for each in open_questions),
                until=min(each.expires_at for each in open_questions),
            )
        refused = {key: each for key, each in judged.items() if isinstance(each, ToolResult)}
        allowed = {each: call for each, call in keyed.items() if each not in refused}
        outcomes = await self._run_children(allowed, known)
        if isinstance(outcomes, Wait):
            return outcomes
        results = {**refused, **outcomes}
        return [results[each] for each in keyed]

    async def _list_known(self) -> Sequence[StoredToolCall]:
        return await self._stores.tools.list_of(self._run.run_id)

    async def _judge(self, call_key: str, call: ToolCall) -> ToolResult | StoredApproval | None:
        """Return None where the call may go ahead."""
        if (invalid := find_invalid(call)) is not None:
            return ToolResult(job_id=None, ok=False, reason="invalid_payload", detail=invalid)
        match self._policy.decide(call):
            case Allowed():
                return None
            case Blocked(reason=reason, argument=argument):
                self._on_blocked(reason)
                return ToolResult(job_id=None, ok=False, reason=reason, detail=argument)
            case NeedsApproval() as needed:
                return await self._ask(call_key, call, needed)

    async def _ask(
        self, call_key: str, call: ToolCall, needed: NeedsApproval
    ) -> ToolResult | StoredApproval | None:
        value = str(call.payload().get(needed.argument, ""))[:MAX_SHOWN]
        new = NewApproval(
            call_key=call_key,
            kind="approval",
            title=f"Allow {call.task_type}?",
            text=f"{needed.argument} is from a page ({needed.reason}): {value}",
            form=APPROVAL_FORM,
            expires_at=self._clock.now() + APPROVAL_TTL,
        )
        question = await self._stores.approvals.open(self._run.run_id, self._fence, new)
        match question.state:
            case "open":
                return question
            case "approved":
                return None
            case state:
                reason = "approval_expired" if state == "expired" else "approval_denied"
                return ToolResult(job_id=None, ok=False, reason=reason, detail=needed.argument)

    async def _run_children(
        self,
        allowed: Mapping[str, ToolCall],
        known: Mapping[str, StoredToolCall],
    ) -> Mapping[str, ToolResult] | Wait:
        if not allowed:
            return {}
        new = [
            NewToolCall(call_key=each, task_type=call.task_type, arguments=call.payload())
            for each, call in allowed.items()
        ]
        stored = await self._stores.tools.open(self._run.run_id, self._fence, new)
        was_submitted = all(each in known for each in allowed)
        if was_submitted:
            stored = await self._await_outcomes(stored)
        going = [each for each in stored if each.outcome is None]
        if not going:
            return {each.call_key: read_outcome(each) for each in stored}
        try:
            refused = await self._submit(going)
        except UNREACHABLE:
            return Wait(until=self._clock.now() + RETRY_AFTER)
        accepted = tuple(each.child_job_id for each in going if each.child_job_id not in refused)
        if not accepted:
            return await self._run_children(allowed, known)
        if was_submitted:  # they have ended, and their outcomes are being published
            return Wait(until=self._clock.now() + RETRY_AFTER)
        return Wait(children=accepted, until=self._deadline)

    async def _submit(self, going: Sequence[StoredToolCall]) -> Mapping[UUID, Refusal]:
        run, correlation_id = self._run, self._correlation_id
        refused = await self._children.submit(
            run, going, deadline=self._deadline, correlation_id=correlation_id
        )
        for job_id, refusal in refused.items():
            outcome = {
                "status": REFUSED,
                "failure_reason": refusal.code,
                "last_error": refusal.message,
            }
            await self._stores.tools.store_outcome(job_id, run.user_id, outcome)
        return refused

    async def _await_outcomes(self, stored: Sequence[StoredToolCall]) -> Sequence[StoredToolCall]:
        """Look again for a moment: jobs wakes a run in the same instant as it tells the end."""
        keys = {each.call_key for each in stored}
        for _ in range(OUTCOME_LOOKS):
            if all(each.outcome is not None for each in stored):
                break
            await asyncio.sleep(OUTCOME_WAIT / OUTCOME_LOOKS)
            stored = [each for each in await self._list_known() if each.call_key in keys]
        return stored


def find_invalid(call: ToolCall) -> str | None:
    """Return what is wrong with a call: tools are the public tasks that do not themselves call."""
    task = TASKS.get(call.task_type)
    if task is None or not task.public or task.topic == "jobs.agents":
        return "There is no such tool."
    payload = call.payload()
    if unknown := sorted(payload.keys() - task.params.model_fields.keys()):
        return f"Unknown arguments: {', '.join(unknown)}."
    if secret := sorted(task.secrets & payload.keys()):
        return f"Not from a workflow: {', '.join(secret)}."
    try:
        task.params.model_validate_json(to_json(payload))
    except ValidationError as error:
        names = sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]})
        return f"Invalid arguments: {', '.join(names)}."
    return None


def read_outcome(call: StoredToolCall) -> ToolResult:
    outcome = call.outcome or {}
    status = outcome.get("status")
    return ToolResult(
        job_id=None if status == REFUSED else call.child_job_id,
        ok=status == "COMPLETED" and outcome.get("result") is not None,
        result=outcome.get("result") or {},
        reason=outcome.get("failure_reason"),
        detail=outcome.get("last_error"),
    )
