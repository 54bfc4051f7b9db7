"""The topic jobs.commands: parse, settle, answer, announce."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast
from uuid import UUID

from msaas.contracts import CancelRequested, PauseTask, PushedJob, ResumeTask, SubmitJobs
from msaas.jobs.application.command_batch import Command, CommandContext, CommandOutcome
from msaas.jobs.application.process_commands import ProcessCommands, ProcessedCommands
from msaas.jobs.application.set_pauses import SetPauses
from msaas.kernel import MsaasError, RetryPolicy
from msaas.messaging import Delivery, OutgoingMessage
from msaas.postgres import TransactionConflict
from msaas.telemetry import get_logger, is_sampled, span

TOPIC = "jobs.commands"
# Each try waits for its locks as long as a lock may be waited for.
LOCK_RETRY = RetryPolicy(base=0.05, cap=0.1, attempts=3)


class CommandsHandler:
    def __init__(self, process_commands: ProcessCommands, set_pauses: SetPauses) -> None:
        self._process_commands = process_commands
        self._set_pauses = set_pauses
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        """Users' commands are one transaction; an operator's come before them, and are few."""
        operators = [one for one in batch if isinstance(one.message, PauseTask | ResumeTask)]
        if not operators:
            return await self._handle(batch)
        await self._set_pauses([cast("PauseTask | ResumeTask", one.message) for one in operators])
        answers = [answer for one in operators for answer in one.reply_success()]
        users = [one for one in batch if one not in operators]
        return [*answers, *(await self._handle(users) if users else ())]

    async def _handle(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        try:
            with _enqueue_span(batch):
                processed = await self._process_with_retry(
                    [_read_context(delivery) for delivery in batch]
                )
        except TransactionConflict as refusal:
            if len(batch) > 1 or batch[0].entry.reply_to is None:
                raise  # the runner splits the batch and goes on with its halves
            return batch[0].reply_error(refusal)
        return list(self._build_messages(batch, processed))

    async def _process_with_retry(self, contexts: Sequence[CommandContext]) -> ProcessedCommands:
        """Give one that stands alone another chance before its sender is bothered with it."""
        if len(contexts) > 1:
            return await self._process_commands(contexts)
        return await LOCK_RETRY.run(
            lambda: self._process_commands(contexts), retry_on=(TransactionConflict,)
        )

    def _build_messages(
        self, batch: Sequence[Delivery], processed: ProcessedCommands
    ) -> Iterator[OutgoingMessage]:
        for delivery, verdict in zip(batch, processed.outcomes, strict=True):
            yield from self._answer(delivery, verdict)
        traces = {
            job_id: one.entry.traceparent
            for one in batch
            for job_id in _jobs_of(_read_context(one))
        }
        for snapshot in processed.snapshots:
            yield snapshot.to_event(traces.get(snapshot.id))

    def _answer(
        self, delivery: Delivery, outcome: CommandOutcome | MsaasError
    ) -> Iterator[OutgoingMessage]:
        context = _read_context(delivery)
        log = self._log.bind(
            correlation_id=context.correlation_id,
            command=delivery.message.type_name(),
            **_describe_jobs(context),
            user_id=str(context.command.user_id),
        )
        if isinstance(outcome, MsaasError):
            if isinstance(context.command, PushedJob):
                raise outcome  # nobody waits for an answer: by itself it becomes a dead letter
            log.info("command_refused", code=outcome.code)
            yield from delivery.reply_error(outcome)
            return
        log.info("command_accepted", status=outcome.reply.get("status"))
        yield from delivery.reply_success(**outcome.reply)
        for job_id in outcome.stop_job_ids:
            yield delivery.emit("jobs.control", CancelRequested(job_id=job_id))


def _read_context(delivery: Delivery) -> CommandContext:
    message = delivery.message
    if not isinstance(message, Command):
        raise TypeError(f"{TOPIC} does not carry {message.type_name()}")
    return CommandContext(
        command=message,
        correlation_id=_correlation_of(delivery),
        traceparent=delivery.entry.traceparent,
    )


def _correlation_of(delivery: Delivery) -> str:
    """Prefer what a pushed job carries inside: a list has no room for headers."""
    pushed = delivery.message
    own = pushed.meta.correlation_id if isinstance(pushed, PushedJob) else None
    return own or delivery.entry.correlation_id


def _describe_jobs(context: CommandContext) -> dict[str, object]:
    jobs = _jobs_of(context)
    return {"job_id": str(jobs[0])} if len(jobs) == 1 else {"jobs": len(jobs)}


def _jobs_of(context: CommandContext) -> Sequence[UUID]:
    match context.command:
        case SubmitJobs() as command:
            return [one.job_id for one in command.jobs]
        case command:
            return [command.job_id]


def _enqueue_span(batch: Sequence[Delivery]) -> AbstractContextManager[object]:
    """Measure a batch in which somebody's trace is kept; the others come along as links."""
    traces = [one.entry.traceparent for one in batch if is_sampled(one.entry.traceparent)]
    if not traces:
        return nullcontext()
    links = [trace for trace in traces[1:] if trace]
    return span("jobs.enqueue", traceparent=traces[0], links=links, commands=len(batch))
