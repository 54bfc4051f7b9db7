"""Replays dead letters: what was committed is sent, under the message's own id, and no faster."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from msaas.contracts import (
    JobLost,
    LossReason,
    ReplayDeadLetters,
    RetryJob,
    Unreadable,
    decode,
    get_topic,
)
from msaas.jobs.application.book import Order
from msaas.jobs.application.keep_letters import RESULTS, find_run
from msaas.jobs.application.letters_ports import (
    Desk,
    JobLetter,
    LetterStore,
    MessageLetter,
    Pauses,
    Room,
)
from msaas.jobs.application.settle_commands import Settled
from msaas.jobs.domain.errors import LetterUnknown, LetterUnreadable
from msaas.jobs.domain.letter_bodies import unpack
from msaas.jobs.domain.letters import Letter, Waiting, check_replay, find_hindrance
from msaas.kernel import ErrorKind, MsaasError, RetryPolicy, derive_id
from msaas.messaging import Outgoing
from msaas.telemetry import Metrics, get_logger

PATIENCE: Final = RetryPolicy(base=0.05, cap=0.1, attempts=3)

Settle = Callable[[Sequence[Order]], Awaitable[Settled]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What becomes of each letter that was asked for."""

    replayed: dict[UUID, Letter] = field(default_factory=dict[UUID, Letter])
    waiting: dict[UUID, tuple[Letter, Waiting]] = field(
        default_factory=dict[UUID, tuple[Letter, Waiting]]
    )
    refused: dict[UUID, MsaasError] = field(default_factory=dict[UUID, MsaasError])

    def describe(self, letter_id: UUID) -> dict[str, Any] | None:
        """Say it as the asker is told; None where there was nothing to do."""
        if refusal := self.refused.get(letter_id):
            return {"id": letter_id, "ok": False, "problem": describe(refusal)}
        if letter_id in self.replayed:
            return {"id": letter_id, "ok": True, "outcome": "replayed"}
        if found := self.waiting.get(letter_id):
            return {"id": letter_id, "ok": True, "outcome": "waiting", "because": found[1]}
        return None


class ReplayLetters:
    def __init__(
        self, store: LetterStore, pauses: Pauses, room: Room, settle: Settle, metrics: Metrics
    ) -> None:
        self._store = store
        self._pauses = pauses
        self._room = room
        self._settle = settle
        self._log = get_logger()
        self._replayed = metrics.counter(
            "msaas_dead_letters_replayed_total", "Dead letters sent again.", ("topic", "class")
        )

    async def __call__(
        self, command: ReplayDeadLetters
    ) -> tuple[list[dict[str, Any]], list[Outgoing]]:
        """Repeat at will: what this command has replayed is sent again, and counted once."""
        held = await self._find_held()
        async with self._store.replaying() as transaction:
            desk = await transaction.lock(command.replay_id, command.letters)
            judged = _judge(command, desk, held)
            fresh = [one for id_, one in judged.replayed.items() if id_ not in desk.again]
            await transaction.store(
                command.replay_id,
                command.asked_by,
                replayed=fresh,
                waiting=[letter for letter, _ in judged.waiting.values()],
                refused=list(judged.refused),
            )
        outgoing = [
            _send_again(one, command.replay_id)
            for one in judged.replayed.values()
            if isinstance(one, MessageLetter)
        ]
        outgoing += await self._begin_anew(command, judged)
        self._count([one for one in fresh if one.id in judged.replayed])
        said = [judged.describe(letter_id) for letter_id in dict.fromkeys(command.letters)]
        return [one for one in said if one is not None], outgoing

    async def _find_held(self) -> dict[str, Waiting]:
        full = await self._room.find_full(["jobs.commands", RESULTS])
        held = dict.fromkeys(full, Waiting.TOPIC_FULL)
        return held | dict.fromkeys(await self._pauses.find_paused(), Waiting.PAUSED)

    async def _begin_anew(self, command: ReplayDeadLetters, judged: Judgement) -> list[Outgoing]:
        """Replay jobs as their users' retry would: within the quota, or not at all."""
        jobs = [one for one in judged.replayed.values() if isinstance(one, JobLetter)]
        if not jobs:
            return []
        settled = await self._settle_patiently([_retry(one, command.replay_id) for one in jobs])
        for job, verdict in zip(jobs, settled.verdicts, strict=True):
            if isinstance(verdict, MsaasError):
                judged.refused[job.id] = verdict
                del judged.replayed[job.id]
        if refused := [one.id for one in jobs if one.id in judged.refused]:
            await self._store.withdraw(command.replay_id, refused)
        return [snapshot.changed() for snapshot in settled.snapshots]

    async def _settle_patiently(self, orders: Sequence[Order]) -> Settled:
        """Let jobs whose accounts stay locked keep back no message that is replayed with them."""
        try:
            return await PATIENCE.run(lambda: self._settle(orders), on=(MsaasError,))
        except MsaasError as refusal:
            if refusal.kind is ErrorKind.UNAVAILABLE:
                raise
            return Settled(verdicts=[refusal] * len(orders), snapshots=[])

    def _count(self, replayed: Sequence[Letter]) -> None:
        for one in replayed:
            self._replayed.labels(one.topic, one.letter_class).inc()
            self._log.info(
                "dead_letter_replayed",
                letter_id=str(one.id),
                topic=one.topic,
                letter_class=one.letter_class,
            )


def describe(refusal: MsaasError) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "detail": refusal.safe_message,
        "retryable": refusal.retryable,
        "context": dict(refusal.context),
    }


def _judge(command: ReplayDeadLetters, desk: Desk, held: Mapping[str, Waiting]) -> Judgement:
    judged = Judgement()
    room = desk.room
    for letter_id in dict.fromkeys(command.letters):
        try:
            letter = _get_letter(desk, letter_id)
            if letter_id in desk.again:
                judged.replayed[letter_id] = letter
            elif check_replay(letter, asked=command.asked_by is not None):
                _check_content(letter)
                if hindrance := find_hindrance(letter, held, room):
                    judged.waiting[letter_id] = (letter, hindrance)
                else:
                    judged.replayed[letter_id] = letter
                    room -= 1
        except MsaasError as refusal:
            judged.refused[letter_id] = refusal
    return judged


def _get_letter(desk: Desk, letter_id: UUID) -> MessageLetter | JobLetter:
    letter = desk.letters.get(letter_id)
    if letter is None or (
        isinstance(letter, JobLetter) and not letter.has_failed and letter_id not in desk.again
    ):
        raise LetterUnknown
    return letter


def _check_content(letter: MessageLetter | JobLetter) -> None:
    if isinstance(letter, MessageLetter) and find_run(letter.topic, letter.body) is None:
        try:
            decode(get_topic(letter.topic), unpack(letter.body))
        except Unreadable as error:
            raise LetterUnreadable(f"It still cannot be read: {error.reason}.") from None


def _send_again(letter: MessageLetter, replay_id: UUID) -> Outgoing:
    """Put an envelope's job back instead of the envelope, of which only the run is known."""
    if run := find_run(letter.topic, letter.body):
        lost = JobLost(job_id=run.job_id, fence=run.fence, reason=LossReason.RECLAIMED)
        return Outgoing(
            message=lost,
            topic=RESULTS,
            id=derive_id(letter.id, str(replay_id)),
            correlation_id=str(run.job_id),
        )
    entry = decode(get_topic(letter.topic), unpack(letter.body))
    return Outgoing(  # whoever asked does not wait any more: no answer, no expiry
        message=entry.message,
        topic=letter.topic,
        id=entry.id,
        correlation_id=entry.correlation_id,
        traceparent=entry.traceparent,
    )


def _retry(job: JobLetter, replay_id: UUID) -> Order:
    retry_id = derive_id(job.id, str(replay_id))
    command = RetryJob(job_id=job.id, user_id=job.user_id, retry_id=retry_id)
    return Order(command=command, correlation_id=job.correlation_id)
