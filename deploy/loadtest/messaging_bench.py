"""Compares messaging with baselines in one interleaved run: drain rate, latency, publishing.

Every round measures each candidate once, so that a slow machine slows all of them; the table shows
medians and ratios. Exits with 1 when the batch runner drains less than half as fast as a bare
redis-py loop.
"""

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from baselines import run_baseline
from goals import parse_options, percentiles
from redis.asyncio import Redis

from msaas.contracts import JobEnvelope, JobSucceeded, SubmitJob, encode, get_topic
from msaas.embedded import RedisServer
from msaas.kernel import new_id
from msaas.messaging import (
    ConsumerTimings,
    Delivery,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.streams import Write
from msaas.telemetry import Metrics, configure_logging
from msaas.testing import build_job_envelope, build_submit_job
from msaas.worker import AbandonReason, WorkConsumer

MIN_RATIO = 0.5
ENVIRONMENT = "bench"
CORRELATION = "01890000-0000-7000-8000-000000000000"
STREAM = get_topic("jobs.generic").key(ENVIRONMENT, "jobs-worker")
RESULTS = get_topic("jobs.results").key(ENVIRONMENT, "jobs")
SHORT_BLOCK = ConsumerTimings(block_timeout=0.05)


class DrainCounter:
    """Counts handled messages and signals when all are handled."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.done = asyncio.Event()

    def add(self, count: int) -> None:
        self._left -= count
        if self._left <= 0:
            self.done.set()


def build_result(envelope: JobEnvelope) -> JobSucceeded:
    started_at = envelope.meta.enqueue_ts
    return JobSucceeded(
        job_id=envelope.job_id,
        fence=envelope.fence,
        result=envelope.payload,
        started_at=started_at,
        finished_at=started_at,
    )


class EchoHandler:
    """The trivial handler of the work runner."""

    def __init__(self, drain: DrainCounter) -> None:
        self._drain = drain

    async def run(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        self._drain.add(1)
        return echo(delivery)

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> Sequence[OutgoingMessage]:
        raise AssertionError(f"abandoned: {reason} {error} {delivery.entry_id}")


def echo(delivery: Delivery) -> list[OutgoingMessage]:
    envelope = cast("JobEnvelope", delivery.message)
    return [delivery.emit("jobs.results", build_result(envelope))]


def build_messenger(broker: RedisBroker, process: str) -> Messenger:
    metrics = Metrics(process, ENVIRONMENT)
    return Messenger(broker, process, ENVIRONMENT, metrics=metrics, timings=SHORT_BLOCK)


async def fill(url: str, count: int) -> None:
    """Add envelopes to the stream as dispatch does, ignoring its bound."""
    broker = RedisBroker(url)
    for start in range(0, count, 500):
        now = datetime.now(UTC)
        entries = [
            encode(build_job_envelope(), id=uuid4(), correlation_id=CORRELATION, ts=now)
            for _ in range(min(500, count - start))
        ]
        await broker.commit([Write(STREAM, fields) for fields in entries])
    await broker.close()


async def drain(
    url: str, count: int, consume: Callable[[Messenger, DrainCounter], object]
) -> float:
    await fill(url, count)
    broker, counter = RedisBroker(url), DrainCounter(count)
    consumer = build_messenger(broker, "jobs-worker")
    consume(consumer, counter)
    gc.collect()
    started_at = time.perf_counter()
    running = asyncio.create_task(consumer.run())
    await counter.done.wait()
    while await broker.depth(STREAM):  # the last batch is handled but not yet committed
        await asyncio.sleep(0.001)  # Redis does not signal an empty stream
    seconds = time.perf_counter() - started_at
    consumer.drain()
    await running
    await broker.close()
    return count / seconds


async def drain_batch(url: str, count: int) -> float:
    def consume(consumer: Messenger, counter: DrainCounter) -> None:
        async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
            counter.add(len(batch))
            return [message for delivery in batch for message in echo(delivery)]

        consumer.consume_batches("jobs.generic", handle)

    return await drain(url, count, consume)


async def drain_work(url: str, count: int) -> float:
    def consume(consumer: Messenger, counter: DrainCounter) -> None:
        consumer.add_consumer(
            WorkConsumer(consumer.context, "jobs.generic", EchoHandler(counter), concurrency=100)
        )

    return await drain(url, count, consume)


def bare_result(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """Build the fields that the runners write, so that both write the same data."""
    job = json.loads(fields[b"data"])
    started_at = job["meta"]["enqueue_ts"]
    result = {
        "job_id": job["job_id"],
        "fence": job["fence"],
        "result": job["payload"],
        "started_at": started_at,
        "finished_at": started_at,
    }
    return {
        "id": str(uuid4()),
        "type": "JobSucceeded",
        "v": 1,
        "correlation_id": fields[b"correlation_id"],
        "ts": datetime.now(UTC).isoformat(),
        "data": json.dumps(result),
    }


async def drain_bare(url: str, count: int) -> float:
    """Do the same with redis-py: read 100, parse, write results, acknowledge and delete."""
    await fill(url, count)
    client = cast("Any", Redis).from_url(url)
    await client.xgroup_create(STREAM, "jobs", "0", mkstream=True)
    left = count
    gc.collect()
    started_at = time.perf_counter()
    while left:
        ((_, entries),) = await client.xreadgroup("jobs", "bare", {STREAM: ">"}, count=100)
        async with client.pipeline(transaction=True) as batch:
            for _, fields in entries:
                batch.xadd(RESULTS, bare_result(fields))
            ids = [entry_id for entry_id, _ in entries]
            batch.xack(STREAM, "jobs", *ids)
            batch.xdel(STREAM, *ids)
            await batch.execute()
        left -= len(entries)
    seconds = time.perf_counter() - started_at
    await client.aclose()
    return count / seconds


async def drain_arq(url: str, count: int) -> float:
    """Run the same trivial jobs with arq, at its best concurrency."""
    await run_baseline("fill", "arq", url, count)
    return count / (await run_baseline("work", "arq", url, count))["seconds"]


async def publish_messages(url: str, count: int) -> float:
    broker = RedisBroker(url)
    publisher = build_messenger(broker, "jobs").publisher
    envelope = build_job_envelope()

    async def publish() -> None:
        await publisher.publish("jobs.generic", envelope, correlation_id=CORRELATION)

    rate = await run_concurrently(publish, count)
    await broker.close()
    return rate


async def publish_plain(url: str, count: int) -> float:
    client = cast("Any", Redis).from_url(url, max_connections=50)
    envelope = build_job_envelope()

    async def publish() -> None:
        fields = {"id": str(new_id()), "type": "JobEnvelope", "data": envelope.model_dump_json()}
        await client.xadd(STREAM, fields)

    rate = await run_concurrently(publish, count)
    await client.aclose()
    return rate


async def run_concurrently(publish: Callable[[], Awaitable[None]], count: int) -> float:
    async def many() -> None:
        for _ in range(count // 50):
            await publish()

    gc.collect()
    started_at = time.perf_counter()
    await asyncio.gather(*(many() for _ in range(50)))
    return count / (time.perf_counter() - started_at)


async def latencies(url: str, count: int) -> tuple[list[float], list[float]]:
    """Measure publish → handled and command → reply on an idle fleet, one at a time."""
    owner_broker, caller_broker = RedisBroker(url), RedisBroker(url)
    owner = build_messenger(owner_broker, "jobs")
    caller = build_messenger(caller_broker, "gateway")
    handled_at: dict[UUID, float] = {}

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        for delivery in batch:
            handled_at[cast("SubmitJob", delivery.message).job_id] = time.perf_counter()
        return [reply for delivery in batch for reply in delivery.reply_success()]

    owner.consume_batches("jobs.commands", handle)
    client = caller.create_command_client()
    running = [asyncio.create_task(messenger.run()) for messenger in (owner, caller)]
    publish_seconds: list[float] = []
    command_seconds: list[float] = []
    for number in range(count + 10):
        command = build_submit_job(job_id=uuid4())
        started_at = time.perf_counter()
        await client.call("jobs.commands", command, ttl=5, correlation_id=CORRELATION)
        if number >= 10:  # noqa: PLR2004  # the first ones open connections
            command_seconds.append(time.perf_counter() - started_at)
            publish_seconds.append(handled_at[command.job_id] - started_at)
    caller.drain()
    owner.drain()
    await asyncio.gather(*running)
    await asyncio.gather(owner_broker.close(), caller_broker.close())
    return publish_seconds, command_seconds


Benchmark = Callable[[str, int], Coroutine[None, None, float]]
BENCHMARKS: dict[str, Benchmark] = {
    "bare redis-py loop": drain_bare,
    "our batch runner": drain_batch,
    "our work runner": drain_work,
    "arq": drain_arq,
    "plain XADD, 50 at once": publish_plain,
    "our publisher, 50 at once": publish_messages,
}
JOB_SHARE = {"arq": 0.05}
"""The share of the jobs that arq drains."""


def measure(count: int, repetitions: int) -> tuple[dict[str, float], list[float], list[float]]:
    benchmarks = {
        name: benchmark
        for name, benchmark in BENCHMARKS.items()
        if name != "arq" or find_spec("arq")
    }
    rates: dict[str, list[float]] = {name: [] for name in benchmarks}
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            for _ in range(repetitions):
                for name, benchmark in benchmarks.items():
                    asyncio.run(flush(server.url))
                    amount = max(200, round(count * JOB_SHARE.get(name, 1) / 50) * 50)
                    rates[name].append(asyncio.run(benchmark(server.url, amount)))
            asyncio.run(flush(server.url))
            publish_seconds, command_seconds = asyncio.run(latencies(server.url, min(1000, count)))
        finally:
            server.stop()
    return (
        {name: statistics.median(found) for name, found in rates.items()},
        publish_seconds,
        command_seconds,
    )


async def flush(url: str) -> None:
    async with cast("Any", Redis).from_url(url) as client:
        await client.flushall()


def show(
    rates: dict[str, float], publish_seconds: list[float], command_seconds: list[float]
) -> bool:
    bare, batch = rates["bare redis-py loop"], rates["our batch runner"]
    plain = rates["plain XADD, 50 at once"]
    print(f"{'':28}{'per second':>12}{'ratio':>9}  against")
    for name, rate in rates.items():
        base, against = (plain, "plain XADD") if "at once" in name else (bare, "bare loop")
        print(f"{name:28}{rate:>12,.0f}{rate / base:>8.2f}x  {against}")
    if "arq" in rates:
        print(
            f"{'our batch runner':28}{batch:>12,.0f}{batch / rates['arq']:>8.1f}x  arq (target 12)"
        )
    else:
        print("arq is not installed: run `./msaas bench messaging`")
    for name, found in (
        ("publish → handled", publish_seconds),
        ("command → reply", command_seconds),
    ):
        p50, _, p99 = percentiles(found)
        print(f"{name:28}p50 {p50:.2f} ms   p99 {p99:.2f} ms")
    is_met = batch / bare >= MIN_RATIO
    outcome = "met" if is_met else "MISSED"
    print(f"gate: {batch / bare:.2f} of the bare loop, {outcome} (≥ {MIN_RATIO})")
    return is_met


def main() -> int:
    defaults = {
        "jobs": (20_000, "entries for each measurement"),
        "repetitions": (5, "measurements of each candidate"),
        "short": (False, "2,000 jobs, 1 round"),
    }
    chosen = parse_options("messaging", __doc__, defaults)
    configure_logging("bench", ENVIRONMENT, level="ERROR")
    gc.freeze()  # as every process of the fleet does after its start
    count, repetitions = (2_000, 1) if chosen.short else (chosen.jobs, chosen.repetitions)
    return 0 if show(*measure(count, repetitions)) else 1


if __name__ == "__main__":
    sys.exit(main())
