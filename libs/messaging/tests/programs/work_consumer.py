"""Runs two envelopes at a time, each until the file that it names is there."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from msaas.contracts import JobEnvelope, JobLost, LossReason
from msaas.messaging import (
    ConsumerTimings,
    Delivery,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.telemetry import Metrics
from msaas.testing import build_job_started, build_job_succeeded, wait_until, with_process_exit
from msaas.worker import AbandonReason, WorkConsumer

ON_RESULT = 2  # the first commit publishes that the work has begun


class ReportingHandler:
    def __init__(self, messenger: Messenger) -> None:
        self._publisher = messenger.publisher

    async def run(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        envelope = envelope_of(delivery)
        await self._publisher.publish(
            "jobs.results", build_job_started(envelope), correlation_id="program"
        )
        await wait_until(Path(str(envelope.payload["until"])).exists, timeout=60)
        return [delivery.emit("jobs.results", build_job_succeeded(envelope))]

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> Sequence[OutgoingMessage]:
        envelope = envelope_of(delivery)
        lost = JobLost(job_id=envelope.job_id, fence=envelope.fence, reason=LossReason(reason))
        return [delivery.emit("jobs.results", lost)]


def envelope_of(delivery: Delivery) -> JobEnvelope:
    if not isinstance(delivery.message, JobEnvelope):
        raise TypeError(delivery.message)
    return delivery.message


async def main(redis_url: str, environment: str, crash: str) -> None:
    broker = RedisBroker(redis_url)
    dying = broker
    match crash.split("."):
        case ["broker", method, "before" | "after" as when]:
            dying = with_process_exit(broker, method, when, on_call=ON_RESULT)
        case _:
            pass
    messenger = Messenger(
        dying,
        "jobs-worker",
        environment,
        metrics=Metrics("jobs-worker", environment),
        timings=ConsumerTimings(block_timeout=0.05, drain_timeout=0.5, heartbeat_interval=0.1),
    )
    messenger.add_consumer(
        WorkConsumer(messenger.context, "jobs.generic", ReportingHandler(messenger), concurrency=2)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, messenger.drain)
    await messenger.run()
    await broker.close()


if __name__ == "__main__":
    given = os.environ
    asyncio.run(main(given["REDIS_URL"], given["ENVIRONMENT"], given["CRASH"]))
