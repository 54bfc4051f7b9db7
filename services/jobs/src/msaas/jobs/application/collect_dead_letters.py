"""Moves dead letters from Redis into the database: stored, then reported, then removed."""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

from msaas.contracts import JobEnvelope, JobLost, LetterClass, LossReason, get_topic
from msaas.jobs.application.dead_letters_ports import (
    AddedDeadLetter,
    DeadLetterStore,
    DeadLetterStream,
    DeadLetterStreams,
    NewDeadLetter,
    ScheduledReplay,
)
from msaas.jobs.application.ports import Publisher
from msaas.jobs.domain.dead_letters import classify, find_replay_delay
from msaas.jobs.domain.dead_letters_bodies import pack
from msaas.jobs.domain.reports import RunKey
from msaas.kernel import derive_id, new_id
from msaas.telemetry import Metrics, get_logger

RESULTS_TOPIC: Final = "jobs.results"
_ENTRY_ID: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_CORRELATION: Final = re.compile(r"[\x21-\x7e]{1,128}")
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


class CollectDeadLettersTask:
    """An entry that is read again, because a process ended half-way, is stored once."""

    def __init__(
        self,
        store: DeadLetterStore,
        streams: DeadLetterStreams,
        publisher: Publisher,
        metrics: Metrics,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._streams = streams
        self._publisher = publisher
        self._jitter = jitter
        self._log = get_logger()
        self._collected = metrics.counter(
            "msaas_dead_letters_collected_total", "Dead letters collected.", ("topic", "class")
        )

    async def __call__(self) -> None:
        for stream in self._streams.list_streams():
            while await self._drain(stream):
                pass

    async def _drain(self, stream: DeadLetterStream) -> bool:
        found = await self._streams.peek(stream)
        if not found:
            return False
        entries = [read_entry(stream, entry_id, fields) for entry_id, fields in found]
        for added in await self._store_entries(entries):
            topic, letter_class = added.topic, added.letter_class
            self._collected.labels(topic, letter_class).inc()
            self._log.warning("dead_letter_collected", topic=topic, letter_class=letter_class)
        for entry in entries:
            if entry.run is not None and entry.letter_class is LetterClass.POISON:
                await self._report(entry, entry.run)
        await self._streams.remove(stream, [entry_id for entry_id, _ in found])
        return True

    async def _report(self, entry: NewDeadLetter, run: RunKey) -> None:
        """Count the run as lost: a job that no worker can read must not be dispatched for ever."""
        await self._publisher.publish(
            RESULTS_TOPIC,
            JobLost(job_id=run.job_id, fence=run.fence, reason=LossReason.RECLAIMED),
            correlation_id=entry.correlation_id or str(run.job_id),
            id=derive_id(run.fence, entry.entry_id),
        )

    async def _store_entries(self, entries: Sequence[NewDeadLetter]) -> Sequence[AddedDeadLetter]:
        expired = {entry.id for entry in entries if entry.has_expired}
        async with self._store.begin_collection() as transaction:
            added = await transaction.lock(entries)
            scheduled = [
                ScheduledReplay(dead_letter.id, dead_letter.topic, delay)
                for dead_letter in added
                if (delay := self._find_delay(dead_letter, has_expired=dead_letter.id in expired))
                is not None
            ]
            await transaction.store(scheduled)
        return added

    def _find_delay(self, added: AddedDeadLetter, *, has_expired: bool) -> timedelta | None:
        return find_replay_delay(
            added.letter_class, added.replay_count, self._jitter(), has_expired=has_expired
        )


def read_entry(
    stream: DeadLetterStream, entry_id: str, fields: Mapping[bytes, bytes]
) -> NewDeadLetter:
    """Use a field only if it has the right form: any program may have written the entry."""
    body = pack(fields)
    original = body.get("dlq_entry_id", "")
    error = body.get("dlq_error") or "No error was recorded."
    return NewDeadLetter(
        id=new_id(),
        topic=stream.topic,
        # An entry without an original id is identified by its own, which is unique in its stream.
        entry_id=original if _ENTRY_ID.fullmatch(original) else f"{entry_id}@{stream.key}",
        letter_class=classify(body.get("dlq_kind"), error, quarantined=stream.quarantined),
        error=error[:500],
        body=body,
        message_id=_read_id(body.get("id")),
        message_type=_match_or_none(_TYPE, body.get("type")),
        correlation_id=_match_or_none(_CORRELATION, body.get("correlation_id")),
        has_expired="ttl_ms" in body,
        run=find_run(stream.topic, body),
    )


def find_run(topic: str, body: Mapping[str, str]) -> RunKey | None:
    """Find the run of a JobEnvelope."""
    if JobEnvelope not in get_topic(topic).messages:
        return None
    try:
        found: object = json.loads(body.get("data", ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    data = cast("Mapping[str, object]", found)
    job_id, fence = _read_id(data.get("job_id")), _read_id(data.get("fence"))
    return RunKey(job_id, fence) if job_id and fence else None


def _read_id(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _match_or_none(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.fullmatch(text) else None
