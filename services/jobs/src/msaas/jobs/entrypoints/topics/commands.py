"""The topic jobs.commands: pauses, commands about jobs, and commands about dead letters."""

from collections.abc import Iterator, Sequence

from msaas.contracts import CancelRequested, PauseTask, PushedJob, ResumeTask, SubmitJobs
from msaas.jobs.application.command_batch import Command, CommandContext, CommandOutcome
from msaas.jobs.application.process_commands import ProcessCommands, ProcessedCommands
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.transactions import retry_on_conflict
from msaas.jobs.domain.errors import TaskTypeNotFound
from msaas.jobs.entrypoints.topics import bulk_changes, dead_letters
from msaas.kernel import CommandTimeout, MsaasError
from msaas.messaging import BatchHandler, BatchInterrupted, Delivery, OutgoingMessage
from msaas.postgres import (
    CommitUnconfirmed,
    DatabaseUnavailable,
    PoolExhausted,
    TransactionConflict,
)
from msaas.telemetry import batch_span, get_logger

TOPIC = "jobs.commands"


def count_jobs(delivery: Delivery) -> int:
    """Weigh a command by the jobs that it concerns: a batch is bounded by its rows."""
    if isinstance(delivery.message, bulk_changes.COMMANDS):
        return bulk_changes.WEIGHT
    return len(delivery.message.jobs) if isinstance(delivery.message, SubmitJobs) else 1


class CommandsHandler:
    """Handles the commands of a batch by kind; each kind may be handled again."""

    def __init__(
        self,
        process_commands: ProcessCommands,
        set_pauses: SetPauses,
        handle_dead_letters: BatchHandler,
        handle_bulk_changes: BatchHandler,
    ) -> None:
        self._handle_bulk_changes = handle_bulk_changes
        self._process_commands = process_commands
        self._set_pauses = set_pauses
        self._handle_dead_letters = handle_dead_letters
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        finished: list[Delivery] = []
        outgoing: list[OutgoingMessage] = []
        for part in _split(batch):
            try:
                outgoing += await self._handle_part(part)
            except (DatabaseUnavailable, PoolExhausted) as error:
                refused = list(_list_refusable(batch, finished, part, error))
                for delivery in refused:
                    outgoing += delivery.reply_error(error)
                raise BatchInterrupted([*finished, *refused], outgoing) from error
            finished += part
        return outgoing

    async def _handle_part(self, part: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        match part[0].message:
            case PauseTask() | ResumeTask() as command:
                return await self._handle_pause(part[0], command)
            case message if isinstance(message, dead_letters.COMMANDS):
                return await self._handle_dead_letters(part)
            case message if isinstance(message, bulk_changes.COMMANDS):
                return await self._handle_bulk_changes(part)
            case _:
                return await self._handle_jobs(part)

    async def _handle_pause(
        self, delivery: Delivery, command: PauseTask | ResumeTask
    ) -> Sequence[OutgoingMessage]:
        try:
            if delivery.is_redelivery:
                await self._set_pauses.repeat(command, delivery.sent_at)
            else:
                await self._set_pauses([command])
        except TaskTypeNotFound as refusal:
            return delivery.reply_error(refusal)
        return delivery.reply_success()

    async def _handle_jobs(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        contexts = [_read_context(delivery) for delivery in batch]
        try:
            traces = [delivery.entry.traceparent for delivery in batch]
            with batch_span("jobs.enqueue", traces, commands=len(batch)):
                processed = await self._process(contexts)
        except (TransactionConflict, CommandTimeout) as refusal:
            if len(batch) > 1 or batch[0].entry.reply_to is None:
                raise  # the consumer splits the batch and continues with its halves
            return batch[0].reply_error(refusal)  # nothing is committed
        return list(self._build_messages(batch, contexts, processed))

    async def _process(self, contexts: Sequence[CommandContext]) -> ProcessedCommands:
        """Retry a command that is alone; a larger batch is split instead."""
        if len(contexts) > 1:
            return await self._process_commands(contexts)
        return await retry_on_conflict(lambda: self._process_commands(contexts))

    def _build_messages(
        self,
        batch: Sequence[Delivery],
        contexts: Sequence[CommandContext],
        processed: ProcessedCommands,
    ) -> Iterator[OutgoingMessage]:
        for delivery, context, outcome in zip(batch, contexts, processed.outcomes, strict=True):
            yield from self._reply(delivery, context, outcome)
        traces = {job_id: context.traceparent for context in contexts for job_id in context.job_ids}
        for snapshot in processed.snapshots:
            yield snapshot.to_event(traces.get(snapshot.id))
        yield from processed.child_outcomes

    def _reply(
        self, delivery: Delivery, context: CommandContext, outcome: CommandOutcome | MsaasError
    ) -> Iterator[OutgoingMessage]:
        log = self._log.bind(
            correlation_id=context.correlation_id,
            command=delivery.message.type_name(),
            **_describe_jobs(context),
            user_id=str(context.command.user_id),
        )
        if isinstance(outcome, MsaasError):
            if isinstance(context.command, PushedJob):
                raise outcome  # no sender waits for a reply: it becomes a dead letter
            log.info("command_refused", code=outcome.code)
            yield from delivery.reply_error(outcome)
            return
        log.info("command_accepted", status=outcome.reply.get("status"))
        yield from delivery.reply_success(**outcome.reply)
        for job_id in outcome.stop_job_ids:
            yield delivery.emit("jobs.control", CancelRequested(job_id=job_id))


def _split(batch: Sequence[Delivery]) -> list[list[Delivery]]:
    """Return what is committed together: all commands about jobs, each other command alone."""
    separate = (*dead_letters.COMMANDS, *bulk_changes.COMMANDS)
    alone = (PauseTask, ResumeTask, *separate)
    pauses = [[d] for d in batch if isinstance(d.message, (PauseTask, ResumeTask))]
    about_jobs = [d for d in batch if not isinstance(d.message, alone)]
    others = [[d] for d in batch if isinstance(d.message, separate)]
    return [*pauses, *([about_jobs] if about_jobs else []), *others]


def _list_refusable(
    batch: Sequence[Delivery],
    finished: Sequence[Delivery],
    failed: Sequence[Delivery],
    error: MsaasError,
) -> Iterator[Delivery]:
    """List the commands with a waiting sender of which certainly nothing is committed."""
    done = {delivery.entry_id for delivery in finished}
    if isinstance(error, CommitUnconfirmed):
        done |= {delivery.entry_id for delivery in failed}
    for delivery in batch:
        is_first = delivery.raw.delivery_count == 1
        if is_first and delivery.entry.reply_to and delivery.entry_id not in done:
            yield delivery


def _read_context(delivery: Delivery) -> CommandContext:
    message = delivery.message
    if not isinstance(message, Command):
        raise TypeError(f"{TOPIC} does not carry {message.type_name()}")
    return CommandContext(
        command=message,
        correlation_id=_correlation_of(delivery),
        traceparent=delivery.entry.traceparent,
        has_expired=delivery.has_expired,
    )


def _correlation_of(delivery: Delivery) -> str:
    """Prefer the id inside a pushed job: an entry of a list has no headers."""
    pushed = delivery.message
    own = pushed.meta.correlation_id if isinstance(pushed, PushedJob) else None
    return own or delivery.entry.correlation_id


def _describe_jobs(context: CommandContext) -> dict[str, object]:
    job_ids = context.job_ids
    return {"job_id": str(job_ids[0])} if len(job_ids) == 1 else {"jobs": len(job_ids)}
