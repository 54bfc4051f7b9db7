"""The way to the workers: entries on topics, and the marks of cancelled jobs."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from msaas.contracts import JobEnvelope, JobFailed, cancel_key
from msaas.jobs.application.ports import DispatchedJob
from msaas.messaging import Messenger


class BrokerWorkerQueue:
    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    async def ping(self) -> None:
        await self._messenger.context.broker.now_ms()

    async def send(
        self, topic: str, envelope: JobEnvelope, traceparent: str | None = None
    ) -> str | None:
        return await self._messenger.publisher.publish(
            topic,
            envelope,
            correlation_id=envelope.meta.correlation_id,
            traceparent=traceparent,
        )

    async def report_undeliverable(self, job: DispatchedJob, error: str) -> None:
        failure = JobFailed(
            job_id=job.envelope.job_id,
            fence=job.envelope.fence,
            failure_reason="invalid_payload",
            last_error=error,
            retryable=False,
            finished_at=job.dispatched_at,
        )
        publisher, cause = self._messenger.publisher, job.envelope.meta.correlation_id
        await publisher.publish("jobs.results", failure, correlation_id=cause)

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        await self._messenger.withdraw(topic, entry_ids)

    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        return await self._messenger.find_entries(topic, entry_ids)

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None:
        context = self._messenger.context
        keys = [cancel_key(context.environment, job_id) for job_id in job_ids]
        await context.broker.set_markers(keys, ttl)
