"""The commands of the topic jobs.commands about bulk changes."""

from collections.abc import Iterator, Sequence

from msaas.contracts import CancelRequested, ChangeJobs, ContinueBulkChange
from msaas.jobs.application.bulk_changes import PART_SIZE, BulkChanges, FinishedPart
from msaas.jobs.domain.errors import CommandExpired, UserNotFound
from msaas.messaging import Delivery, OutgoingMessage

COMMANDS = (ChangeJobs, ContinueBulkChange)
WEIGHT = PART_SIZE


class BulkChangesHandler:
    """Handles one command at a time; each part asks for the next one."""

    def __init__(self, bulk_changes: BulkChanges) -> None:
        self._bulk_changes = bulk_changes

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        outgoing: list[OutgoingMessage] = []
        for delivery in batch:
            match delivery.message:
                case ChangeJobs() as command:
                    outgoing += await self._begin(delivery, command)
                case ContinueBulkChange() as command:
                    outgoing += await self._proceed(delivery, command)
                case other:
                    raise TypeError(f"not about bulk changes: {other.type_name()}")
        return outgoing

    async def _begin(self, delivery: Delivery, command: ChangeJobs) -> Sequence[OutgoingMessage]:
        try:
            total = await self._bulk_changes.begin(command, has_expired=delivery.has_expired)
        except (CommandExpired, UserNotFound) as refusal:
            return delivery.reply_error(refusal)
        following = ContinueBulkChange(bulk_id=command.bulk_id, user_id=command.user_id)
        reply = delivery.reply_success(bulk_id=command.bulk_id, total=total)
        return [*reply, delivery.emit("jobs.commands", following)]

    async def _proceed(
        self, delivery: Delivery, command: ContinueBulkChange
    ) -> Sequence[OutgoingMessage]:
        trace = delivery.entry.traceparent
        finished = await self._bulk_changes.proceed(command, delivery.entry.correlation_id, trace)
        return [] if finished is None else list(_build_messages(delivery, finished))


def _build_messages(delivery: Delivery, finished: FinishedPart) -> Iterator[OutgoingMessage]:
    for snapshot in finished.processed.snapshots:
        yield snapshot.to_event(delivery.entry.traceparent)
    yield from finished.processed.child_outcomes
    for job_id in finished.processed.list_stopped_jobs():
        yield delivery.emit("jobs.control", CancelRequested(job_id=job_id))
    if finished.following is not None:
        yield delivery.emit("jobs.commands", finished.following)
