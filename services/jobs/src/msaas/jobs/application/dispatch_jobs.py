"""One tick of dispatch: pick fairly, commit, and only then put the envelopes on the wire."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msaas.contracts import JobEnvelope, JobMeta, get_task
from msaas.jobs.application.open_secrets import open_secrets
from msaas.jobs.application.ports import (
    DispatchedJob,
    DispatchStore,
    TickResult,
    UploadLinks,
    WorkerQueue,
)
from msaas.sealing import InvalidSeal, UnknownSealingKey, Unsealer
from msaas.telemetry import Metrics, current_traceparent, get_logger, span

_WAIT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)


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
        """Pick nothing while the wire is away: it would hold slots and go nowhere."""
        await self._workers.ping()
        tick = await self._store.pick()
        if tick.picked:
            await self._deliver(tick.picked)
        return tick

    async def _deliver(self, picked: Sequence[DispatchedJob]) -> None:
        """Leave what does not get through to the sweeper, which finds no entry and picks it again.

        To undo the pick instead would be to pick the same jobs at every tick of a full topic, each
        time with another attempt; the slots that they hold until the sweep are the pause.
        """
        for one in picked:
            wait = (one.dispatched_at - one.run_at).total_seconds()
            self._queue_wait.labels(one.task_type).observe(max(0.0, wait))
        answers = await asyncio.gather(*map(self._send, picked), return_exceptions=True)
        sent = [
            (one, answer)
            for one, answer in zip(picked, answers, strict=True)
            if answer and isinstance(answer, str)
        ]
        if sent:
            await self._record_entries(sent)
        if dropped := answers.count(None):
            self._dropped.inc(dropped)
            self._log.warning("envelopes_dropped", count=dropped)
        for failure in answers:
            if isinstance(failure, BaseException):
                raise failure

    async def _send(self, job: DispatchedJob) -> str | None:
        with span("jobs.dispatch", traceparent=job.traceparent, task_type=job.task_type):
            traceparent = current_traceparent() or job.traceparent
            try:
                payload = open_secrets(self._opener, job)
            except (InvalidSeal, UnknownSealingKey) as error:
                self._log.error("secret_unseal_failed", job_id=str(job.job_id), **error.context)
                await self._workers.report_undeliverable(job, error.safe_message)
                return ""
            envelope = _build_envelope(job, payload, await self._sign_uploads(job))
            return await self._workers.send(_topic_of(job), envelope, traceparent)

    async def _sign_uploads(self, job: DispatchedJob) -> Mapping[str, str]:
        """Sign for as long as the envelope lives."""
        task = get_task(job.task_type)
        if self._upload_links is None or not task.uploads:
            return {}
        seconds = task.valid_for.total_seconds()
        return await self._upload_links.sign_uploads(job.job_id, job.fence, task.uploads, seconds)

    async def _record_entries(self, sent: Sequence[tuple[DispatchedJob, str]]) -> None:
        """Keep the entries' ids; take back what was cancelled or picked anew in the meantime."""
        current = await self._store.record_entries(
            [(one.job_id, one.fence, entry_id) for one, entry_id in sent]
        )
        outdated: dict[str, list[str]] = defaultdict(list)
        for one, entry_id in sent:
            if one.job_id not in current:
                outdated[_topic_of(one)].append(entry_id)
        for topic, entry_ids in outdated.items():
            await self._workers.withdraw(topic, entry_ids)


def _topic_of(job: DispatchedJob) -> str:
    return get_task(job.task_type).topic


def _build_envelope(
    job: DispatchedJob, payload: dict[str, Any], uploads: Mapping[str, str]
) -> JobEnvelope:
    return JobEnvelope(
        job_id=job.job_id,
        task_type=job.task_type,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        fence=job.fence,
        payload=payload,
        meta=JobMeta(
            correlation_id=job.correlation_id,
            user_id=job.user_id,
            enqueue_ts=job.created_at,
            source=job.source,
            plan=job.plan,
            deadline_ts=job.deadline_at,
            valid_until=job.dispatched_at + get_task(job.task_type).valid_for,
            parent_job_id=job.parent_job_id,
            uploads=dict(uploads),
        ),
    )
