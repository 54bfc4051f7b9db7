"""Usage through the processes: from the messages of jobs to the report that jobs gets back."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import TypeVar

import pytest_asyncio
from services.billing.tests.integration.test_billing_process import Fleet
from services.billing.tests.metering_support import Ledger, build_metering
from services.billing.tests.support import Billing

from msaas.billing.application.metering_tasks import DueUsageTask, MissingUsageTask
from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import (
    CorrectUsage,
    Message,
    Plan,
    PreviewInvoice,
    ResendUsage,
    UsageNoted,
    UsageReconciled,
    UsageRecorded,
    UsageReported,
    decode,
    get_topic,
)
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until

T = TypeVar("T", bound=Message)


@pytest_asyncio.fixture
async def processes(
    billing: Billing, redis_url: str, redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[Fleet]:
    async with Fleet(billing, redis_url, redis_url_for, environment) as fleet:
        fleet.start_serve()
        fleet.start_serve()
        yield fleet


def build_message(event: UsageEvent) -> Message:
    fields = {
        name: getattr(event, name)
        for name in (
            *("subject_id", "seq", "quantity", "occurred_at", "period_start", "prev_hash", "hash"),
        )
    }
    if event.job_id is None:
        return UsageNoted.model_validate({**fields, "kind": event.kind})
    own = {"job_id": event.job_id, "plan": event.plan, "user_id": event.user_id}
    return UsageRecorded.model_validate({**fields, **own})


async def read_stream(
    fleet: Fleet, environment: str, topic_name: str, kind: type[T], ledger: Ledger
) -> list[T]:
    topic = get_topic(topic_name)
    key = topic.key(environment, "jobs")
    found = await fleet.reader.tail({key: "0-0"}, 10_000, 0)
    messages = [decode(topic, raw.fields).message for raw in found.get(key, ())]
    return [
        message
        for message in messages
        if isinstance(message, kind) and getattr(message, "subject_id", None) == ledger.subject_id
    ]


async def call(fleet: Fleet, command: CorrectUsage | PreviewInvoice) -> dict[str, object]:
    reply = await fleet.commands.call(
        "billing.commands", command, ttl=GENEROUS_TIMEOUT, correlation_id="test"
    )
    return dict(reply.data)


async def test_usage_is_taken_requested_reported_corrected_and_previewed(
    billing: Billing, processes: Fleet, environment: str
) -> None:
    ledger = await build_metering(billing).open_ledger()
    ledger.add_many(3)
    ledger.add(kind="plan_changed", quantity=0)
    ledger.add_many(2)
    jobs = processes.open_messenger("jobs").publisher
    cron = processes.open_messenger("billing-cron").publisher
    usage, metrics = billing.parts.metering.usage, Metrics("billing-cron", "test")
    missing = ledger.events[1]

    async def publish(*events: UsageEvent) -> None:
        for event in events:
            await jobs.publish("usage.events", build_message(event), correlation_id="test")

    async def end_waits() -> None:
        """Let what waits have waited for an hour."""
        for table, column in (("usage_chains", "gap_since"), ("usage_events", "received_at")):
            sql = f"UPDATE billing.{table} SET {column} = {column} - $2::interval"
            earlier = (ledger.subject_id, timedelta(hours=1))
            await billing.rows.execute(f"{sql} WHERE subject_id = $1", *earlier)

    async def reaches(seq: int, stored: int = 6) -> bool:
        row = await billing.rows.fetchrow(
            "SELECT last_seq, (SELECT count(*) FROM billing.usage_events e"
            " WHERE e.subject_id = c.subject_id) AS stored"
            " FROM billing.usage_chains c WHERE subject_id = $1",
            ledger.subject_id,
        )
        return row is not None and tuple(row) == (seq, stored)

    await publish(*(event for event in ledger.events if event is not missing))
    await wait_until(lambda: reaches(1, 5), timeout=GENEROUS_TIMEOUT)
    await end_waits()
    await MissingUsageTask(usage, cron)()
    [request] = await read_stream(processes, environment, "usage.requests", ResendUsage, ledger)
    assert (request.first_seq, request.last_seq) == (2, 2)
    await publish(missing, missing)
    await wait_until(lambda: reaches(6), timeout=GENEROUS_TIMEOUT)
    await end_waits()
    await DueUsageTask(usage, cron, metrics)()

    async def list_reported() -> list[UsageReported]:
        return await read_stream(processes, environment, "billing.events", UsageReported, ledger)

    await wait_until(list_reported, timeout=GENEROUS_TIMEOUT)
    [reported] = await list_reported()
    assert (reported.quantity, reported.head) == (5, ledger.events[-1].hash)

    assert missing.job_id is not None
    command = CorrectUsage(job_id=missing.job_id, reason="The page was empty.")
    assert (await call(processes, command))["means"] == "meter_adjustment"

    async def list_reconciled() -> list[UsageReconciled]:
        return await read_stream(processes, environment, "billing.events", UsageReconciled, ledger)

    await wait_until(list_reconciled, timeout=GENEROUS_TIMEOUT)
    assert {each.quantity for each in await list_reconciled()} == {-1}
    assert ledger.user_id is not None
    preview = await call(processes, PreviewInvoice(user_id=ledger.user_id))
    assert preview["total"] == 2_000 + 2  # four jobs of half a cent
    higher = await call(processes, PreviewInvoice(user_id=ledger.user_id, plan=Plan.ENTERPRISE))
    assert isinstance(higher["total"], int)
    assert higher["total"] > 0
