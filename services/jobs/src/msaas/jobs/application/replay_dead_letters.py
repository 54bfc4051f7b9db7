"""Replays dead letters: what was committed is sent, under the message's own id, and no faster."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from msaas.contracts import (
    DecodeError,
    JobLost,
    LossReason,
    ReplayDeadLetters,
    RetryJob,
    decode,
    get_topic,
)
from msaas.jobs.application.collect_dead_letters import RESULTS_TOPIC, find_run
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.dead_letters_ports import (
    DeadLetterStore,
    JobDeadLetter,
    MessageDeadLetter,
    Pauses,
    ReplayContext,
    TopicCapacity,
)
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.jobs.domain.dead_letters import BlockReason, DeadLetter, check_replay, find_block_reason
from msaas.jobs.domain.dead_letters_bodies import unpack
from msaas.jobs.domain.errors import DeadLetterNotFound, DeadLetterUnreadable
from msaas.kernel import ErrorKind, MsaasError, RetryPolicy, derive_id
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger

LOCK_RETRY: Final = RetryPolicy(base=0.05, cap=0.1, attempts=3)

CommandProcessor = Callable[[Sequence[CommandContext]], Awaitable[ProcessedCommands]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What becomes of each letter that was asked for."""

    replayed: dict[UUID, DeadLetter] = field(default_factory=dict[UUID, DeadLetter])
    waiting: dict[UUID, tuple[DeadLetter, BlockReason]] = field(
        default_factory=dict[UUID, tuple[DeadLetter, BlockReason]]
    )
    rejected: dict[UUID, MsaasError] = field(default_factory=dict[UUID, MsaasError])

    def describe_item(self, letter_id: UUID) -> dict[str, Any] | None:
        """Say it as the asker is told; None where there was nothing to do."""
        if refusal := self.rejected.get(letter_id):
            return {"id": letter_id, "ok": False, "problem": describe_error(refusal)}
        if letter_id in self.replayed:
            return {"id": letter_id, "ok": True, "outcome": "replayed"}
        if found := self.waiting.get(letter_id):
            return {"id": letter_id, "ok": True, "outcome": "waiting", "because": found[1]}
        return None


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
    ) -> tuple[list[dict[str, Any]], list[OutgoingMessage]]:
        """Repeat at will: what this command has replayed is sent again, and counted once."""
        blocked = await self._find_blocked()
        async with self._store.replay_transaction() as transaction:
            context = await transaction.lock(command.replay_id, command.letters)
            plan = _plan_replay(command, context, blocked)
            fresh = [
                one for id_, one in plan.replayed.items() if id_ not in context.already_replayed
            ]
            await transaction.store(
                command.replay_id,
                command.asked_by,
                replayed=fresh,
                waiting=[letter for letter, _ in plan.waiting.values()],
                refused=list(plan.rejected),
            )
        outgoing = [
            _build_replay_message(one, command.replay_id)
            for one in plan.replayed.values()
            if isinstance(one, MessageDeadLetter)
        ]
        outgoing += await self._retry_jobs(command, plan)
        self._count([one for one in fresh if one.id in plan.replayed])
        items = [plan.describe_item(letter_id) for letter_id in dict.fromkeys(command.letters)]
        return [one for one in items if one is not None], outgoing

    async def _find_blocked(self) -> dict[str, BlockReason]:
        full = await self._capacity.find_full(["jobs.commands", RESULTS_TOPIC])
        blocked = dict.fromkeys(full, BlockReason.TOPIC_FULL)
        return blocked | dict.fromkeys(await self._pauses.find_paused(), BlockReason.PAUSED)

    async def _retry_jobs(
        self, command: ReplayDeadLetters, plan: ReplayPlan
    ) -> list[OutgoingMessage]:
        """Replay jobs as their users' retry would: within the quota, or not at all."""
        jobs = [one for one in plan.replayed.values() if isinstance(one, JobDeadLetter)]
        if not jobs:
            return []
        processed = await self._process_with_retry(
            [_build_retry(one, command.replay_id) for one in jobs]
        )
        for job, verdict in zip(jobs, processed.outcomes, strict=True):
            if isinstance(verdict, MsaasError):
                plan.rejected[job.id] = verdict
                del plan.replayed[job.id]
        if refused := [one.id for one in jobs if one.id in plan.rejected]:
            await self._store.undo_replay(command.replay_id, refused)
        return [snapshot.to_event() for snapshot in processed.snapshots]

    async def _process_with_retry(self, contexts: Sequence[CommandContext]) -> ProcessedCommands:
        """Let jobs whose accounts stay locked keep back no message that is replayed with them."""
        try:
            return await LOCK_RETRY.run(
                lambda: self._process_commands(contexts), retry_on=(MsaasError,)
            )
        except MsaasError as refusal:
            if refusal.kind is ErrorKind.UNAVAILABLE:
                raise
            return ProcessedCommands(outcomes=[refusal] * len(contexts), snapshots=[])

    def _count(self, replayed: Sequence[DeadLetter]) -> None:
        for one in replayed:
            self._replayed.labels(one.topic, one.letter_class).inc()
            self._log.info(
                "dead_letter_replayed",
                letter_id=str(one.id),
                topic=one.topic,
                letter_class=one.letter_class,
            )


def describe_error(refusal: MsaasError) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "detail": refusal.safe_message,
        "retryable": refusal.retryable,
        "context": dict(refusal.context),
    }


def _plan_replay(
    command: ReplayDeadLetters, context: ReplayContext, blocked: Mapping[str, BlockReason]
) -> ReplayPlan:
    plan = ReplayPlan()
    budget = context.budget
    for letter_id in dict.fromkeys(command.letters):
        try:
            letter = _get_dead_letter(context, letter_id)
            if letter_id in context.already_replayed:
                plan.replayed[letter_id] = letter
            elif check_replay(letter, requested=command.asked_by is not None):
                _check_readable(letter)
                if reason := find_block_reason(letter, blocked, budget):
                    plan.waiting[letter_id] = (letter, reason)
                else:
                    plan.replayed[letter_id] = letter
                    budget -= 1
        except MsaasError as refusal:
            plan.rejected[letter_id] = refusal
    return plan


def _get_dead_letter(context: ReplayContext, letter_id: UUID) -> MessageDeadLetter | JobDeadLetter:
    letter = context.dead_letters.get(letter_id)
    if letter is None or (
        isinstance(letter, JobDeadLetter)
        and not letter.has_failed
        and letter_id not in context.already_replayed
    ):
        raise DeadLetterNotFound
    return letter


def _check_readable(letter: MessageDeadLetter | JobDeadLetter) -> None:
    if isinstance(letter, MessageDeadLetter) and find_run(letter.topic, letter.body) is None:
        try:
            decode(get_topic(letter.topic), unpack(letter.body))
        except DecodeError as error:
            raise DeadLetterUnreadable(
                f"The dead letter still cannot be decoded: {error.reason}."
            ) from None


def _build_replay_message(letter: MessageDeadLetter, replay_id: UUID) -> OutgoingMessage:
    """Put an envelope's job back instead of the envelope, of which only the run is known."""
    if run := find_run(letter.topic, letter.body):
        lost = JobLost(job_id=run.job_id, fence=run.fence, reason=LossReason.RECLAIMED)
        return OutgoingMessage(
            message=lost,
            topic=RESULTS_TOPIC,
            id=derive_id(letter.id, str(replay_id)),
            correlation_id=str(run.job_id),
        )
    entry = decode(get_topic(letter.topic), unpack(letter.body))
    return OutgoingMessage(  # whoever asked does not wait any more: no answer, no expiry
        message=entry.message,
        topic=letter.topic,
        id=entry.id,
        correlation_id=entry.correlation_id,
        traceparent=entry.traceparent,
    )


def _build_retry(job: JobDeadLetter, replay_id: UUID) -> CommandContext:
    retry_id = derive_id(job.id, str(replay_id))
    command = RetryJob(job_id=job.id, user_id=job.user_id, retry_id=retry_id)
    return CommandContext(command=command, correlation_id=job.correlation_id)
