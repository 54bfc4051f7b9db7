"""The jobs service: children are submitted, cancelled and waited for through its commands."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msaas.agents.application.ports import Run
from msaas.agents.application.run_ports import Refusal
from msaas.agents.domain.effects import StoredToolCall
from msaas.contracts import CancelJob, JobItem, Message, RunToken, Source, SubmitJobs, WakeJob
from msaas.kernel import DependencyUnavailable, Overloaded, new_id
from msaas.messaging import CommandClient, CommandRefused
from msaas.streams import StreamPublisher

COMMANDS: Final = "jobs.commands"
EVENTS: Final = "agents.events"
REPLY_TTL: Final = 10.0
MAX_BATCH: Final = 100


class BrokerJobs:
    """ChildJobs and JobWaker."""

    def __init__(self, publisher: StreamPublisher, client: CommandClient) -> None:
        self._publisher = publisher
        self._client = client

    async def submit(
        self, run: Run, calls: Sequence[StoredToolCall], *, deadline: datetime, correlation_id: str
    ) -> Mapping[UUID, Refusal]:
        refused: dict[UUID, Refusal] = {}
        for start in range(0, len(calls), MAX_BATCH):
            part = calls[start : start + MAX_BATCH]
            refused |= await self._submit(run, part, deadline, correlation_id)
        return refused

    async def cancel(self, run: Run, job_ids: Sequence[UUID], *, correlation_id: str) -> None:
        for job_id in job_ids:
            command = CancelJob(job_id=job_id, user_id=run.user_id)
            await self._publisher.publish(COMMANDS, command, correlation_id=correlation_id)

    async def wake(self, run_id: UUID, user_id: UUID, *, answered: bool) -> None:
        command = WakeJob(job_id=run_id, user_id=user_id, answered=answered)
        await self._publisher.publish(COMMANDS, command, correlation_id=str(run_id))

    async def _submit(
        self,
        run: Run,
        calls: Sequence[StoredToolCall],
        deadline: datetime,
        correlation_id: str,
    ) -> dict[UUID, Refusal]:
        command = SubmitJobs(
            user_id=run.user_id,
            plan=run.plan,
            source=Source.AGENT,
            parent_job_id=run.run_id,
            jobs=tuple(
                JobItem(
                    job_id=call.child_job_id,
                    task_type=call.task_type,
                    payload=dict(call.arguments or {}),
                    deadline_ts=deadline,
                )
                for call in calls
            ),
        )
        try:
            reply = await self._client.call(
                COMMANDS, command, ttl=REPLY_TTL, correlation_id=correlation_id
            )
        except CommandRefused as refusal:
            if refusal.problem.retryable:
                raise Overloaded(refusal.problem.detail) from refusal
            problem = Refusal(refusal.problem.code, refusal.problem.detail)
            return {call.child_job_id: problem for call in calls}
        return {
            UUID(item["job_id"]): _read_refusal(item["problem"])
            for item in reply.data["items"]
            if not item["ok"]
        }


def _read_refusal(problem: Mapping[str, Any]) -> Refusal:
    return Refusal(str(problem["code"]), str(problem.get("detail", "")))


class BrokerFrames:
    """Frames of runs: those of the outbox, and a TokenStream."""

    def __init__(self, publisher: StreamPublisher) -> None:
        self._publisher = publisher

    async def publish(self, message: Message) -> None:
        await self._publisher.publish(EVENTS, message, correlation_id=str(new_id()))

    async def send(self, run: Run, call: str, offset: int, text: str) -> None:
        token = RunToken(
            run_id=run.run_id, user_id=run.user_id, call=call, offset=offset, text=text
        )
        with suppress(DependencyUnavailable, Overloaded):  # the stored answer is what counts
            await self.publish(token)
