"""The way to the workers: entries on topics, and the marks of cancelled jobs."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from msaas.contracts import JobEnvelope, JobFailed, cancel_key
from msaas.jobs.application.entry_ids import choose_entry_ids
from msaas.jobs.application.ports import DispatchedJob
from msaas.messaging import Messenger, OutgoingMessage
from msaas.streams import entry_timestamp_ms


class BrokerWorkerQueue:
    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    async def ping(self) -> int:
        return await self._messenger.context.broker.now_ms()

    async def send(
        self, topic: str, envelope: JobEnvelope, entry_id: str, traceparent: str | None = None
    ) -> bool:
        outgoing = OutgoingMessage(
            message=envelope,
            topic=topic,
            correlation_id=envelope.meta.correlation_id,
            traceparent=traceparent,
            entry_id=entry_id,
        )
        return await self._messenger.publisher.send(outgoing) is not None

    async def choose_later_ids(self, topic: str, count: int) -> Sequence[str]:
        """Follow the last entry also where the clock of Redis was set back."""
        broker = self._messenger.context.broker
        last_id = await broker.last_generated_id(self._messenger.publisher.get_stream_key(topic))
        return choose_entry_ids(max(await broker.now_ms(), entry_timestamp_ms(last_id) + 1), count)

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
