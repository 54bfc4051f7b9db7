"""Cancels or retries many jobs in parts, so that other commands are handled in between.

The list of jobs is stored before anything changes. A part that is carried out again publishes the
present snapshots: each cancel and each retry is recognised and changes nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msaas.contracts import BulkAction, CancelJob, ChangeJobs, ContinueBulkChange, RetryJob
from msaas.jobs.application.bulk_ports import BulkPart, BulkStore
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.ports import Publisher
from msaas.jobs.application.process_commands import ProcessCommands, ProcessedCommands
from msaas.jobs.application.transactions import retry_on_conflict
from msaas.jobs.domain.errors import CommandExpired
from msaas.kernel import MsaasError, derive_id
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
PART_SIZE: Final = 100


class FinishedPart(NamedTuple):
    processed: ProcessedCommands
    following: ContinueBulkChange | None


class BulkChanges:
    def __init__(self, store: BulkStore, process_commands: ProcessCommands) -> None:
        self._store = store
        self._process_commands = process_commands
        self._log = get_logger()

    async def begin(self, command: ChangeJobs, *, has_expired: bool) -> int:
        """Store what is to be done, and return the number of jobs."""
        if has_expired and not await self._store.exists(command.bulk_id):
            raise CommandExpired
        total = await self._store.add(command)
        self._log.info(
            "bulk_change_accepted", bulk_id=str(command.bulk_id), action=command.action, jobs=total
        )
        return total

    async def proceed(
        self, command: ContinueBulkChange, correlation_id: str, traceparent: str | None
    ) -> FinishedPart | None:
        """Change one part; None if there is no such part."""
        part = await self._store.find_part(
            command.bulk_id, command.user_id, command.done, PART_SIZE
        )
        if part is None:
            return None
        contexts = [
            CommandContext(command=each, correlation_id=correlation_id, traceparent=traceparent)
            for each in _build_commands(command, part)
        ]
        processed = await retry_on_conflict(lambda: self._process_commands(contexts))
        changed = [
            job_id
            for job_id, outcome in zip(part.job_ids, processed.outcomes, strict=True)
            if not isinstance(outcome, MsaasError)
        ]
        is_next_missing = await self._store.finish_part(command.bulk_id, part, changed)
        following = command.model_copy(update={"done": command.done + len(part.job_ids)})
        return FinishedPart(processed, following if is_next_missing else None)


def _build_commands(command: ContinueBulkChange, part: BulkPart) -> Sequence[CancelJob | RetryJob]:
    user_id = command.user_id
    if part.action is BulkAction.CANCEL:
        return [CancelJob(job_id=job_id, user_id=user_id) for job_id in part.job_ids]
    return [
        RetryJob(job_id=job_id, user_id=user_id, retry_id=derive_id(command.bulk_id, str(job_id)))
        for job_id in part.job_ids
    ]


class ContinueBulkChangesTask:
    """Sends the command for the next part again if the last one got lost."""

    def __init__(self, store: BulkStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def __call__(self) -> None:
        for bulk in await self._store.list_stalled():
            command = ContinueBulkChange(bulk_id=bulk.bulk_id, user_id=bulk.user_id, done=bulk.done)
            await self._publisher.publish(TOPIC, command, correlation_id=str(bulk.bulk_id))
            get_logger().info("bulk_change_continued", bulk_id=str(bulk.bulk_id))
