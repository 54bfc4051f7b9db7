"""One tick of dispatch: pick jobs fairly, commit, and only then send their envelopes."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from pydantic import ValidationError

from msaas.contracts import EncodeError, JobEnvelope, MessageTooLarge, get_task
from msaas.jobs.application.ports import (
    DispatchedJob,
    DispatchStore,
    TickResult,
    UploadLinks,
    WorkerQueue,
)
from msaas.kernel import ErrorKind, MsaasError
from msaas.sealing import InvalidSeal, UnknownSealingKey, Unsealer, is_sealed
from msaas.streams import EntryIdRefused
from msaas.telemetry import Metrics, current_traceparent, get_logger, span

_WAIT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
_UNDELIVERABLE: Final = (InvalidSeal, UnknownSealingKey, EncodeError, ValidationError)
"""Errors of a job itself: its envelope cannot be built or encoded at any later time either."""

_MAX_SENDS: Final = 3
"""How often an envelope is sent with another id; then the sweeper finds no entry for its job."""


class _Ready(NamedTuple):
    """A job and the envelope that its worker gets."""

    job: DispatchedJob
    envelope: JobEnvelope
    traceparent: str | None


_Failure = tuple[DispatchedJob, BaseException]


class DispatchJobs:
    def __init__(
        self,
        store: DispatchStore,
        workers: WorkerQueue,
        opener: Unsealer,
        metrics: Metrics,
        *,
        upload_links: UploadLinks | None = None,
    ) -> None:
        self._store = store
        self._workers = workers
        self._opener = opener
        self._upload_links = upload_links
        self._log = get_logger()
        self._queue_wait = metrics.histogram(
            "msaas_job_queue_wait_seconds", "From due to dispatched.", ("task_type",), _WAIT_BUCKETS
        )
        self._dropped = metrics.counter(
            "msaas_envelopes_dropped_total", "Envelopes dropped because the topic was full."
        )

    async def __call__(self) -> TickResult:
        """Pick nothing while Redis is unavailable: the jobs would hold slots and not be sent."""
        now_ms = await self._workers.ping()
        tick = await self._store.pick(now_ms)
        if tick.picked:
            await self._deliver(tick.picked)
        return tick

    async def _deliver(self, picked: Sequence[DispatchedJob]) -> None:
        """Leave envelopes that were not sent to the sweeper, which finds no entry for their jobs.

        Undoing the pick instead would pick the same jobs at every tick of a full topic, each time
        with another attempt; the slots that they hold until the sweep limit the rate.
        """
        for job in picked:
            wait = (job.dispatched_at - job.run_at).total_seconds()
            self._queue_wait.labels(job.envelope.task_type).observe(max(0.0, wait))
        built = await asyncio.gather(*map(self._build, picked), return_exceptions=True)
        failures = [
            (job, failure)
            for job, failure in zip(picked, built, strict=True)
            if isinstance(failure, BaseException)
        ]
        failures += await self._send_all([each for each in built if isinstance(each, _Ready)])
        for job, failure in failures:
            self._log_or_raise(job, failure)

    def _log_or_raise(self, job: DispatchedJob, failure: BaseException) -> None:
        """Raise if a dependency is unavailable; no other failure of one job may end the tick."""
        if not isinstance(failure, Exception):
            raise failure
        if isinstance(failure, MsaasError) and failure.kind is ErrorKind.UNAVAILABLE:
            raise failure
        self._log.error("envelope_failed", job_id=str(job.envelope.job_id), exc_info=failure)

    async def _build(self, job: DispatchedJob) -> _Ready | None:
        task_type = job.envelope.task_type
        with span("jobs.dispatch", traceparent=job.traceparent, task_type=task_type):
            traceparent = current_traceparent() or job.traceparent
            try:
                envelope = await self._complete(job.envelope)
            except _UNDELIVERABLE as error:
                await self._report_undeliverable(job, error)
                return None
            return _Ready(job, envelope, traceparent)

    async def _report_undeliverable(self, job: DispatchedJob, error: Exception) -> None:
        job_id, cause = str(job.envelope.job_id), type(error).__name__
        context = error.context if isinstance(error, MsaasError) else {}
        self._log.error("envelope_undeliverable", job_id=job_id, cause=cause, **context)
        await self._workers.report_undeliverable(job, _explain(error))

    async def _send_all(self, ready: Sequence[_Ready]) -> list[_Failure]:
        """Send in the order of the entry ids; where another process was ahead, with later ids."""
        failures: list[_Failure] = []
        for _ in range(_MAX_SENDS):
            answers = await asyncio.gather(*map(self._send, ready), return_exceptions=True)
            refused: list[_Ready] = []
            for each, answer in zip(ready, answers, strict=True):
                if isinstance(answer, EntryIdRefused):
                    refused.append(each)
                elif isinstance(answer, BaseException):
                    failures.append((each.job, answer))
            if dropped := answers.count(False):
                self._dropped.inc(dropped)
                self._log.warning("envelopes_dropped", count=dropped)
            if not refused:
                return failures
            ready = await self._renew_entry_ids(refused)
        self._log.warning("entry_ids_refused", count=len(ready))
        return failures

    async def _send(self, ready: _Ready) -> bool:
        """Return whether the topic had room, or the job was reported instead."""
        topic = get_task(ready.envelope.task_type).topic
        try:
            return await self._workers.send(
                topic, ready.envelope, ready.job.entry_id, ready.traceparent
            )
        except _UNDELIVERABLE as error:  # it cannot be encoded
            await self._report_undeliverable(ready.job, error)
            return True

    async def _renew_entry_ids(self, refused: Sequence[_Ready]) -> Sequence[_Ready]:
        """Record later ids before they are used; leave out what is sent, ended or picked again.

        So the row names the entry of its envelope at any time, wherever this process ends.
        """
        by_topic: dict[str, list[_Ready]] = defaultdict(list)
        for each in refused:
            by_topic[get_task(each.envelope.task_type).topic].append(each)
        renewed: list[_Ready] = []
        for topic, ready in by_topic.items():
            sent = await self._workers.find_entries(topic, [each.job.entry_id for each in ready])
            unsent = [each for each in ready if each.job.entry_id not in sent]
            entry_ids = await self._workers.choose_later_ids(topic, len(unsent))
            renewed += [
                each._replace(job=replace(each.job, entry_id=entry_id))
                for each, entry_id in zip(unsent, entry_ids, strict=True)
            ]
        if not renewed:
            return []
        self._log.info("entry_ids_renewed", count=len(renewed))
        current = await self._store.record_entries(
            [(*each.job.key, each.job.entry_id) for each in renewed]
        )
        return [each for each in renewed if each.envelope.job_id in current]

    async def _complete(self, envelope: JobEnvelope) -> JobEnvelope:
        """Unseal the secrets and sign the upload links, which only the worker may see."""
        payload, uploads = self._unseal(envelope), await self._sign_uploads(envelope)
        if payload == envelope.payload and not uploads:
            return envelope
        meta = envelope.meta.model_copy(update={"uploads": dict(uploads)})
        return JobEnvelope.model_validate({**dict(envelope), "payload": payload, "meta": meta})

    def _unseal(self, envelope: JobEnvelope) -> dict[str, object]:
        """Open the sealed fields; a seal is bound to its job and its field."""
        return {
            name: self._opener.unseal(value, str(envelope.job_id), name)
            if is_sealed(value)
            else value
            for name, value in envelope.payload.items()
        }

    async def _sign_uploads(self, envelope: JobEnvelope) -> Mapping[str, str]:
        """Sign links that last as long as the envelope is valid."""
        task = get_task(envelope.task_type)
        if self._upload_links is None or not task.uploads:
            return {}
        seconds = task.valid_for.total_seconds()
        return await self._upload_links.sign_uploads(
            envelope.job_id, envelope.fence, task.uploads, seconds
        )


def _explain(error: Exception) -> str:
    """Say why for the user, without any of the payload."""
    match error:
        case MsaasError():
            return error.safe_message
        case MessageTooLarge():
            return "The job is too large to be sent to a worker."
        case _:
            return "The job's payload cannot be sent to a worker."
