"""Stands in for the jobs service: sends envelopes to workers and collects what they report."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msaas.contracts import JobEnvelope, Message, cancel_key
from msaas.messaging import Delivery, Messenger, OutgoingMessage
from msaas.testing.builders import build_job_envelope, build_job_meta
from msaas.testing.waiting import wait_until

_OUTCOMES = {"JobSucceeded", "JobFailed", "JobLost"}


class FakeJobsService:
    def __init__(self, messenger: Messenger, topic: str) -> None:
        self.messenger = messenger
        self.received: list[Message] = []
        self._topic = topic
        messenger.consume_batches("jobs.results", self._on_results)

    async def send(self, **fields: Any) -> JobEnvelope:
        meta = {"valid_until": datetime.now(UTC) + timedelta(minutes=9), **fields.pop("meta", {})}
        fields = {"payload": {"message": "hello"}, **fields}
        envelope = build_job_envelope(**fields, meta=build_job_meta(**meta))
        await self.messenger.publisher.publish(self._topic, envelope, correlation_id="test")
        return envelope

    async def mark_cancelled(self, envelope: JobEnvelope) -> None:
        await mark_cancelled(self.messenger, envelope.job_id)

    def list_message_types(self, envelope: JobEnvelope) -> list[str]:
        return [type(message).__name__ for message in self._list_messages(envelope)]

    async def wait_for_outcome(self, envelope: JobEnvelope) -> Any:
        """Return the message that reports how the run ended."""
        await wait_until(lambda: _OUTCOMES & set(self.list_message_types(envelope)), timeout=60)
        messages = self._list_messages(envelope)
        [outcome] = [message for message in messages if type(message).__name__ in _OUTCOMES]
        return outcome

    async def _on_results(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.received += [delivery.message for delivery in batch]
        return []

    def _list_messages(self, envelope: JobEnvelope) -> list[Message]:
        job_id = envelope.job_id
        return [message for message in self.received if getattr(message, "job_id", None) == job_id]


async def mark_cancelled(messenger: Messenger, *job_ids: object) -> None:
    """Set the markers of cancelled jobs, as their owner does."""
    context = messenger.context
    keys = [cancel_key(context.environment, str(job_id)) for job_id in job_ids]
    await context.broker.set_markers(keys, timedelta(seconds=60))
