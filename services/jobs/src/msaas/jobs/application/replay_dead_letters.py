"""Replays and resolves dead letters: a replay keeps the message's id and a limit per minute."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from msaas.contracts import (
    DecodeError,
    JobLost,
    LossReason,
    ReplayDeadLetters,
    ResolveDeadLetters,
    RetryJob,
    decode,
    get_topic,
)
from msaas.jobs.application.collect_dead_letters import RESULTS_TOPIC, find_run
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.dead_letters_ports import (
    DeadLetterRow,
    DeadLetterStore,
    JobDeadLetter,
    MessageDeadLetter,
    Pauses,
    ReplayContext,
    ReplayPlan,
    TopicCapacity,
)
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.jobs.application.transactions import retry_on_conflict
from msaas.jobs.domain.dead_letters import BlockReason, DeadLetter, check_replay, find_block_reason
from msaas.jobs.domain.dead_letters_bodies import unpack
from msaas.jobs.domain.errors import DeadLetterNotFound, DeadLetterUnreadable, describe_error
from msaas.kernel import ErrorKind, MsaasError, derive_id
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger

CommandProcessor = Callable[[Sequence[CommandContext]], Awaitable[ProcessedCommands]]


class DeadLetterReplayer:
    def __init__(
        self,
        store: DeadLetterStore,
        pauses: Pauses,
        capacity: TopicCapacity,
        process_commands: CommandProcessor,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._pauses = pauses
        self._capacity = capacity
        self._process_commands = process_commands
        self._log = get_logger()
        self._replayed = metrics.counter(
            "msaas_dead_letters_replayed_total", "Dead letters replayed.", ("topic", "class")
        )

    async def __call__(
        self, command: ReplayDeadLetters
    ) -> tuple[list[DeadLetterRow], list[OutgoingMessage]]:
        """Return the reply's items and what to publish; a repeated command counts once."""
        blocked = await self._find_blocked()
        async with self._store.begin_replay() as transaction:
            context = await transaction.lock(command)
            plan = _plan_replay(command, context, blocked)
            await transaction.store(plan)
        outgoing = [
            _build_replay_message(dead_letter, command.replay_id)
            for dead_letter in plan.replayed.values()
            if isinstance(dead_letter, MessageDeadLetter)
        ]
        outgoing += await self._retry_jobs(plan)
        self._count(plan.list_newly_replayed())
        return plan.describe_items(), outgoing

    async def _find_blocked(self) -> dict[str, BlockReason]:
        full = await self._capacity.find_full(["jobs.commands", RESULTS_TOPIC])
        blocked = dict.fromkeys(full, BlockReason.TOPIC_FULL)
        return blocked | dict.fromkeys(await self._pauses.find_paused(), BlockReason.PAUSED)

    async def _retry_jobs(self, plan: ReplayPlan) -> list[OutgoingMessage]:
        """Replay failed jobs as their users would retry them: within the quota, or not at all."""
        jobs = [job for job in plan.replayed.values() if isinstance(job, JobDeadLetter)]
        if not jobs:
            return []
        replay_id = plan.command.replay_id
        processed = await self._process([_build_retry(job, replay_id) for job in jobs])
        for job, outcome in zip(jobs, processed.outcomes, strict=True):
            if isinstance(outcome, MsaasError):
                plan.rejected[job.id] = outcome
                del plan.replayed[job.id]
        if refused := [job.id for job in jobs if job.id in plan.rejected]:
            await self._store.undo_replay(replay_id, refused)
        return [snapshot.to_event() for snapshot in processed.snapshots]

    async def _process(self, contexts: Sequence[CommandContext]) -> ProcessedCommands:
        """Refuse jobs whose accounts stay locked, so that the messages beside them are replayed."""
        try:
            return await retry_on_conflict(lambda: self._process_commands(contexts))
        except MsaasError as refusal:
            if refusal.kind is ErrorKind.UNAVAILABLE:
                raise
            return ProcessedCommands(outcomes=[refusal] * len(contexts), snapshots=[])

    def _count(self, replayed: Sequence[DeadLetter]) -> None:
        for dead_letter in replayed:
            topic, letter_class = dead_letter.topic, dead_letter.letter_class
            self._replayed.labels(topic, letter_class).inc()
            self._log.info(
                "dead_letter_replayed",
                dead_letter_id=str(dead_letter.id),
                topic=topic,
                letter_class=letter_class,
            )


class DeadLetterResolver:
    def __init__(self, store: DeadLetterStore, metrics: Metrics) -> None:
        self._store = store
        self._log = get_logger()
        self._resolved = metrics.counter(
            "msaas_dead_letters_resolved_total",
            "Dead letters resolved by an operator.",
            ("topic", "class"),
        )

    async def __call__(self, command: ResolveDeadLetters) -> list[DeadLetterRow]:
        """Resolve what is open; what is resolved keeps its first reason."""
        done = await self._store.resolve(command.letters, command.reason, command.asked_by)
        for labels in done.newly_resolved:
            self._resolved.labels(*labels).inc()
        if count := len(done.newly_resolved):
            self._log.info("dead_letters_resolved", count=count, user_id=str(command.asked_by))
        unknown = describe_error(DeadLetterNotFound())
        return [
            {"id": id_, "ok": True, "outcome": "resolved"}
            if id_ in done.known
            else {"id": id_, "ok": False, "problem": unknown}
            for id_ in dict.fromkeys(command.letters)
        ]


def _plan_replay(
    command: ReplayDeadLetters, context: ReplayContext, blocked: Mapping[str, BlockReason]
) -> ReplayPlan:
    plan = ReplayPlan(command=command, already_replayed=context.already_replayed)
    budget = context.budget
    for dead_letter_id in dict.fromkeys(command.letters):
        try:
            dead_letter = _get_dead_letter(context, dead_letter_id)
            if dead_letter_id in context.already_replayed:
                plan.replayed[dead_letter_id] = dead_letter
            elif check_replay(dead_letter, requested=command.asked_by is not None):
                _check_readable(dead_letter)
                if reason := find_block_reason(dead_letter, blocked, budget):
                    plan.waiting[dead_letter_id] = (dead_letter, reason)
                else:
                    plan.replayed[dead_letter_id] = dead_letter
                    budget -= 1
        except MsaasError as refusal:
            plan.rejected[dead_letter_id] = refusal
    return plan


def _get_dead_letter(
    context: ReplayContext, dead_letter_id: UUID
) -> MessageDeadLetter | JobDeadLetter:
    dead_letter = context.dead_letters.get(dead_letter_id)
    if dead_letter is None or (
        isinstance(dead_letter, JobDeadLetter)
        and not dead_letter.has_failed
        and dead_letter_id not in context.already_replayed
    ):
        raise DeadLetterNotFound
    return dead_letter


def _check_readable(dead_letter: MessageDeadLetter | JobDeadLetter) -> None:
    if (
        isinstance(dead_letter, MessageDeadLetter)
        and find_run(dead_letter.topic, dead_letter.body) is None
    ):
        try:
            decode(get_topic(dead_letter.topic), unpack(dead_letter.body))
        except DecodeError as error:
            raise DeadLetterUnreadable(
                f"The dead letter still cannot be decoded: {error.reason}."
            ) from None


def _build_replay_message(dead_letter: MessageDeadLetter, replay_id: UUID) -> OutgoingMessage:
    """For an envelope, report its run as lost instead, so that the job is dispatched again."""
    if run := find_run(dead_letter.topic, dead_letter.body):
        lost = JobLost(job_id=run.job_id, fence=run.fence, reason=LossReason.RECLAIMED)
        return OutgoingMessage(
            message=lost,
            topic=RESULTS_TOPIC,
            id=derive_id(dead_letter.id, str(replay_id)),
            correlation_id=str(run.job_id),
        )
    entry = decode(get_topic(dead_letter.topic), unpack(dead_letter.body))
    return OutgoingMessage(  # the sender no longer waits: no reply, no expiry
        message=entry.message,
        topic=dead_letter.topic,
        id=entry.id,
        correlation_id=entry.correlation_id,
        traceparent=entry.traceparent,
    )


def _build_retry(job: JobDeadLetter, replay_id: UUID) -> CommandContext:
    retry_id = derive_id(job.id, str(replay_id))
    command = RetryJob(job_id=job.id, user_id=job.user_id, retry_id=retry_id)
    return CommandContext(command=command, correlation_id=job.correlation_id)
