"""A discrepancy of each kind is found and named; what can be proved is healed, once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from services.billing.tests.integration.test_billing_process import Fleet
from services.billing.tests.integration.test_metering_process import read_stream
from services.billing.tests.metering_support import Ledger, Metering, build_metering
from services.billing.tests.support import Billing

from msaas.billing.application.reconcile_usage import ReconcileUsage
from msaas.billing.application.reconciliation_ports import CountedUsage, Run
from msaas.billing.application.reconciliation_tasks import ReconciliationTask
from msaas.billing.domain.errors import StripeUnavailable
from msaas.contracts import CountUsage, PeriodCount, UsageCounted
from msaas.contracts import ReconcileUsage as ReconcileCommand
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until

HOUR = timedelta(hours=1)


@dataclass
class Reconciliation:
    """Customers of this test alone: their accounts come after those of the tests before."""

    billing: Billing
    metering: Metering
    before: UUID | None

    def build(self, page_size: int = 100) -> ReconcileUsage:
        parts = self.billing.parts
        return ReconcileUsage(
            *(parts.proving.reconciliation, parts.accounts, parts.payments, parts.metering.meter),
            page_size=page_size,
        )

    async def open_ledger(self, jobs: int = 5) -> Ledger:
        """Report usage long enough ago for the summaries."""
        ledger = await self.metering.open_ledger()
        ledger.add_many(jobs)
        await self.metering.take_and_report(ledger, ledger.events)
        moves = dict.fromkeys(("first_sent_at", "last_sent_at", "reported_at"), 2 * HOUR)
        await self.metering.shift_reports(ledger, **moves)
        return ledger

    async def begin(self, run_id: UUID | None = None) -> Run:
        run = await self.build().begin(run_id or uuid4(), "cron")
        await self.billing.rows.execute(
            "UPDATE billing.reconciliation_runs SET position = $2 WHERE id = $1",
            *(run.id, self.before),
        )
        return await self.build().begin(run.id, "cron")

    async def run(self) -> dict[UUID, list[dict[str, Any]]]:
        """Return the findings of each account."""
        run = await self.begin()
        while run.is_running:
            after = await self.build().go_on(run)
            assert after is not None
            run = after
        return await self.list_findings(run.id)

    async def list_findings(self, run_id: UUID) -> dict[UUID, list[dict[str, Any]]]:
        found: dict[UUID, list[dict[str, Any]]] = {}
        for row in await self.billing.parts.proving.reconciliation.list_findings(run_id):
            finding: dict[str, Any] = dict(row)
            finding["evidence"] = json.loads(finding["evidence"])
            found.setdefault(finding["account_id"], []).append(finding)
        return found

    async def find_account(self, ledger: Ledger) -> UUID:
        assert ledger.user_id is not None
        return (await self.billing.get_account(ledger.user_id)).id

    async def count(self, ledger: Ledger, *, excess: int = 0, head: str | None = None) -> None:
        """Take what jobs says of the counter of the ledger's first entry."""
        last = ledger.events[-1]
        period_start = ledger.events[0].period_start
        used = sum(each.quantity for each in ledger.events if each.period_start == period_start)
        counted = CountedUsage(
            subject_id=ledger.subject_id,
            period_start=period_start,
            used=used + excess,
            last_seq=last.seq,
            head=head or last.hash,
        )
        await self.billing.parts.proving.reconciliation.take_counts([counted, counted])

    async def lose(self, ledger: Ledger) -> str:
        """Remove the report from the stand-in, as if it had never come."""
        [report] = await self.metering.list_reports(ledger)
        self.billing.stripe.control("lose-usage", identifier=report["identifier"])
        return report["identifier"]


@pytest_asyncio.fixture
async def reconciliation(billing: Billing) -> AsyncIterator[Reconciliation]:
    before = await billing.rows.fetchval("SELECT id FROM billing.accounts ORDER BY id DESC LIMIT 1")
    yield Reconciliation(billing, build_metering(billing), before)
    await billing.rows.execute(
        "UPDATE billing.reconciliation_runs SET state = 'FAILED', finished_at = now()"
        " WHERE state = 'RUNNING'"
    )


async def test_each_planted_discrepancy_is_named_and_the_provable_ones_heal(
    reconciliation: Reconciliation,
) -> None:
    billing, metering = reconciliation.billing, reconciliation.metering
    names = (
        "equal",
        "flying",
        "lost",
        "invoiced",
        "planted",
        "altered",
        "rejected",
        "plan",
        "gone",
        "miscounted",
        "forked",
    )
    ledgers = {name: await reconciliation.open_ledger() for name in names}
    accounts = {name: await reconciliation.find_account(each) for name, each in ledgers.items()}
    await metering.take(ledgers["flying"].add_many(2))
    await reconciliation.count(ledgers["equal"])
    await reconciliation.count(ledgers["miscounted"], excess=1)
    await reconciliation.count(ledgers["forked"], head="ab" * 32)
    identifier = await reconciliation.lose(ledgers["lost"])
    await reconciliation.lose(ledgers["invoiced"])
    [report] = await metering.list_reports(ledgers["invoiced"])
    invoice = ("in_" + uuid4().hex, report["account_id"], report["meter_timestamp"])
    await billing.rows.execute(
        "INSERT INTO billing.invoices (stripe_invoice_id, account_id, status, currency, total,"
        " amount_due, amount_paid, amount_remaining, period_start, period_end, finalized_at,"
        " fetched_version, created_at)"
        " VALUES ($1, $2, 'paid', 'usd', 0, 0, 0, 0, $3, $3, $3, 1, $3)",
        *invoice,
    )
    await billing.rows.execute(
        "INSERT INTO billing.invoice_lines (stripe_invoice_id, line_id, amount, is_metered,"
        " period_start, period_end) VALUES ($1, 'il_1', 0, true, $2, $3)",
        *(invoice[0], invoice[2], invoice[2] + HOUR),
    )
    planted = await billing.get_account(ledgers["planted"].user_id or uuid4())
    [report] = await metering.list_reports(ledgers["planted"])  # on the same day
    usage = {
        "event_name": "msaas_completed_jobs",
        "value": 3,
        "timestamp": int(report["meter_timestamp"].timestamp()),
    }
    billing.stripe.control("plant-usage", customer=planted.customer_id, **usage)
    for name, change in (
        ("altered", "quantity = quantity + 1"),
        ("rejected", "state = 'REJECTED', reported_at = NULL"),
    ):
        await billing.rows.execute(
            f"UPDATE billing.meter_reports SET {change} WHERE subject_id = $1",
            ledgers[name].subject_id,
        )
    await reconciliation.lose(ledgers["rejected"])
    [subscription] = await billing.parts.accounts.list_subscriptions(accounts["plan"])
    billing.stripe.control(
        "change-object", identifier=subscription.id, fields={"status": "past_due"}
    )
    gone = await billing.get_account(ledgers["gone"].user_id or uuid4())
    billing.stripe.control("remove-object", identifier=gone.customer_id)

    found = await reconciliation.run()
    outcomes = {
        name: (finding["kind"], finding["outcome"], finding["is_healed"])
        for name, account_id in accounts.items()
        for finding in found.get(account_id, [])
    }
    assert outcomes == {
        "lost": ("usage", "ours_ahead", True),
        "invoiced": ("usage", "ours_ahead", False),
        "planted": ("usage", "stripe_ahead", False),
        "altered": ("usage", "inconsistent", False),
        "rejected": ("usage", "ours_ahead", False),
        "plan": ("subscription", "stripe_ahead", True),
        "gone": ("customer", "ours_ahead", False),
        "miscounted": ("counter", "inconsistent", False),
        "forked": ("counter", "inconsistent", False),
    }
    [lost] = found[accounts["lost"]]
    assert (lost["events"], lost["reported"], lost["at_stripe"]) == (5, 5, 0)
    assert lost["evidence"]["lost"] == [identifier]
    [miscounted] = found[accounts["miscounted"]]
    evidence = miscounted["evidence"]
    assert evidence["counted"] == evidence["events"] + 1
    [ahead] = found[accounts["planted"]]
    assert [units for _, *units in ahead["evidence"]["days"]] == [[5, 8]]

    # What heals is done by the messages that timers send for it.
    await metering.go_on(ledgers["lost"])
    assert await metering.read_stripe(ledgers["lost"]) == 5
    due = await billing.parts.accounts.list_due(10_000)
    assert ledgers["plan"].user_id in due
    await billing.parts.refresh(await billing.get_account(ledgers["plan"].user_id or uuid4()))
    again = await reconciliation.run()
    open_names = {name for name, account_id in accounts.items() if account_id in again}
    assert open_names == outcomes.keys() - {"lost", "plan"}
    summary = await billing.parts.proving.reconciliation.summarize()
    assert summary.open_findings == {
        ("usage", "ours_ahead"): 2,
        ("usage", "stripe_ahead"): 1,
        ("usage", "inconsistent"): 1,
        ("customer", "ours_ahead"): 1,
        ("counter", "inconsistent"): 2,
    }
    assert billing.stripe.violations == []


async def test_two_processes_and_an_outage_do_each_page_once(
    reconciliation: Reconciliation,
) -> None:
    billing = reconciliation.billing
    ledgers = [await reconciliation.open_ledger(1) for _ in range(5)]
    for ledger in ledgers:
        await reconciliation.lose(ledger)
    run = await reconciliation.begin()
    fault = {"kind": "status", "status": 503, "remaining": 10_000}
    billing.stripe.control("faults", path="/v1/billing/meters/.*", **fault)
    try:
        with pytest.raises(StripeUnavailable):
            await reconciliation.build().go_on(run)
    finally:
        billing.stripe.clear("faults")
    assert (await reconciliation.build().begin(run.id, "cron")).position == run.position

    async def work() -> int:
        pages, process = 0, reconciliation.build(page_size=1)
        while (now := await process.begin(run.id, "cron")).is_running:
            pages += await process.go_on(now) is not None
        return pages

    await asyncio.gather(work(), work(), work())
    found = await reconciliation.list_findings(run.id)
    for ledger in ledgers:
        assert len(found[await reconciliation.find_account(ledger)]) == 1
    row = await billing.rows.fetchrow(
        "SELECT state, accounts, findings FROM billing.reconciliation_runs WHERE id = $1", run.id
    )
    assert row is not None
    assert tuple(row) == ("COMPLETED", 5, 5)
    assert not (await reconciliation.build().begin(run.id, "cron")).is_running  # a late message


async def test_the_timer_begins_one_run_a_day_and_goes_on_with_one_that_stopped(
    reconciliation: Reconciliation,
    billing: Billing,
    redis_url: str,
    redis_url_for: Callable[[str], str],
    environment: str,
) -> None:
    ledger = await reconciliation.open_ledger()
    await reconciliation.lose(ledger)
    rows, store = billing.rows, billing.parts.proving.reconciliation
    await rows.execute("UPDATE billing.reconciliation_runs SET started_at = now() - interval '2 d'")
    run = await reconciliation.begin()  # whose message is lost
    metrics = Metrics("billing-cron", "test")
    async with Fleet(billing, redis_url, redis_url_for, environment) as fleet:
        cron = fleet.open_messenger("billing-cron").publisher
        task = ReconciliationTask(store, cron, metrics)
        fleet.start_serve()
        await task()
        await task()  # no progress since

        async def is_complete() -> bool:
            return (await store.summarize()).running is None

        await wait_until(is_complete, timeout=GENEROUS_TIMEOUT)
        requests = await read_stream(fleet, environment, "usage.requests", CountUsage, ledger)
        assert len(requests) == 1
        head = ledger.events[-1].hash
        answer = UsageCounted(
            subject_id=ledger.subject_id,
            last_seq=5,
            head=head,
            periods=(PeriodCount(period_start=ledger.events[0].period_start, used=9),),
        )
        jobs = fleet.open_messenger("jobs").publisher
        await jobs.publish("usage.events", answer, correlation_id="test")

        async def is_counted() -> bool:
            sql = "SELECT used FROM billing.usage_counts WHERE subject_id = $1"
            return await rows.fetchval(sql, ledger.subject_id) == 9

        await wait_until(is_counted, timeout=GENEROUS_TIMEOUT)
        await task()
        await task()
        await cron.publish(
            "billing.commands", ReconcileCommand(run_id=run.id), correlation_id="test"
        )
    account_id = await reconciliation.find_account(ledger)
    assert [each["is_healed"] for each in (await reconciliation.list_findings(run.id))[account_id]]
    assert (
        await rows.fetchval(
            "SELECT count(*) FROM billing.reconciliation_runs"
            " WHERE started_at > now() - interval '1 d'"
        )
        == 1
    )
    read = metrics.registry.get_sample_value
    stamp = {"service": "billing-cron", "environment": "test"}
    success = read("billing_reconciliation_last_success_timestamp_seconds", stamp)
    summary = await store.summarize()
    assert summary.last_success is not None
    assert success == summary.last_success.timestamp()
    labels = {"kind": "usage", "outcome": "inconsistent", **stamp}
    assert read("billing_reconciliation_discrepancies", labels) == 0
