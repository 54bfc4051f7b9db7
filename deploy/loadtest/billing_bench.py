"""Measures billing: webhooks, their application, reports of usage, reconciliation and a proof.

Webhooks go to a whole fleet; everything else runs in this process on the fleet's Postgres and
stand-in for Stripe, while the fleet's own billing is stopped. Exits with 1 when a goal is missed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from billing_fixtures import (
    EVENTS_OF_A_CUSTOMER,
    Bench,
    add_customers,
    add_usage,
    build_stored_event,
    commit_rows,
    open_bench,
    post_webhooks,
    run_all,
)
from goals import Table, measure_fleet, parse_options, percentiles

from msaas.billing.adapters.signing import Ed25519Signer
from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.prove_invoice import ProveInvoice
from msaas.billing.application.report_usage import ReportUsage
from msaas.billing.bootstrap import build_reconcile
from msaas.billing.settings import LOCAL_PROOF_KEY
from msaas.dev.chaos import IsolatedFleet, sign_in_new_user
from msaas.dev.chaos.customers import subscribe
from msaas.dev.workspace import ROOT
from msaas.local.api_client import ApiClient
from msaas.telemetry import configure_logging
from msaas.testing import wait_until

OPTIONS = {
    "webhooks": (2_000, "webhooks, one at a time and many at once"),
    "concurrency": (16, "webhooks at once"),
    "events": (1_000, "events that are applied"),
    "customers": (10_000, "customers that report usage and are reconciled"),
    "jobs": (100_000, "jobs of the invoice that is proved"),
}
WARM_UP = 50
INTAKE_P99_MS, PROOF_SECONDS, VERIFIER_SECONDS = 20.0, 2.0, 5.0
APPLIED_AT_ONCE, REPORTING_AT_ONCE = 100, 8
LEAST_OF_A_REPORT = 5_000
MONTH_SECONDS = 32 * 86_400
VERIFIER = ROOT / "deploy/verify/verify_invoice.py"


async def measure(fleet: IsolatedFleet, options: Namespace) -> list[str]:
    table = Table()
    async with open_bench(fleet, options) as bench, sign_in_new_user(fleet, "FREE") as api:
        await subscribe(fleet, api, "PRO")
        user_id = UUID((await api.me())["id"])
        await measure_intake(bench, table)
        fleet.send("billing-cron", signal.SIGSTOP)
        try:
            await measure_proof(bench, table, api, user_id)
            fleet.send("billing", signal.SIGSTOP)
            await measure_application(bench, table, user_id)
            await measure_reports(bench, table)
            await measure_reconciliation(bench, table)
        finally:
            for part in ("billing", "billing-cron"):
                fleet.send(part, signal.SIGCONT)
    return table.missed


async def measure_intake(bench: Bench, table: Table) -> None:
    count, concurrency = bench.options.webhooks, bench.options.concurrency
    await post_webhooks(bench, WARM_UP, 1)
    table.row("", "requests", "p50", "p99", "per second")
    bare = await commit_rows(bench, count)
    bare_p50, _, bare_p99 = percentiles(bare)
    table.row("bare commit of a row", f"{count:,}", f"{bare_p50:.1f} ms", f"{bare_p99:.1f} ms")
    alone = await post_webhooks(bench, count, 1)
    p50, _, p99 = percentiles(alone)
    cells = (f"{count:,}", f"{p50:.1f} ms", f"{p99:.1f} ms", f"{count / sum(alone):,.0f}")
    goal = f"< {INTAKE_P99_MS:.0f} ms"
    table.goal("webhook stored, one at a time", *cells, goal=goal, met=p99 < INTAKE_P99_MS)
    table.row("  against the bare commit", "", f"{p50 / bare_p50:.1f} x", f"{p99 / bare_p99:.1f} x")
    began = time.perf_counter()
    together = await post_webhooks(bench, count, concurrency)
    rate = count / (time.perf_counter() - began)
    p50, _, p99 = percentiles(together)
    cells = (f"{count:,}", f"{p50:.1f} ms", f"{p99:.1f} ms", f"{rate:,.0f}")
    table.row(f"webhook stored, {concurrency} at once", *cells)


async def measure_application(bench: Bench, table: Table, user_id: UUID) -> None:
    """Apply events of one customer, of which a batch shares a fetch, as messages do."""
    parts, customer = bench.parts, await find_customer(bench, user_id)
    apply = ApplyStripeEvents(
        *(parts.inbox, parts.accounts, parts.payments, parts.refresh),
        metrics=bench.metrics,
        livemode=False,
    )
    events = [build_stored_event(customer) for _ in range(bench.options.events)]
    await parts.inbox.store(events)
    effort = Effort(bench)
    for start in range(0, len(events), APPLIED_AT_ONCE):
        await apply([event.id for event in events[start : start + APPLIED_AT_ONCE]])
    effort.show(table, "events applied", len(events))


async def find_customer(bench: Bench, user_id: UUID) -> str:
    account = await bench.parts.accounts.find(user_id=user_id)
    if account is None or account.customer_id is None:
        raise LookupError("the user has no customer")
    return account.customer_id


async def measure_reports(bench: Bench, table: Table) -> None:
    began = time.perf_counter()
    subjects = await add_customers(bench, bench.options.customers)
    table.row(
        "  customers made for it", f"{len(subjects):,}", f"{time.perf_counter() - began:.0f} s"
    )
    report = ReportUsage(bench.parts.metering.reports, bench.parts.metering.meter, bench.metrics)
    effort = Effort(bench)
    await run_all([partial(report, subject) for subject in subjects], REPORTING_AT_ONCE)
    took = effort.show(table, "units reported", len(subjects) * EVENTS_OF_A_CUSTOMER)
    table.row("  reports", f"{len(subjects):,}", f"{len(subjects) / took:,.0f} /s")


async def measure_reconciliation(bench: Bench, table: Table) -> None:
    process = build_reconcile(bench.parts)
    effort = Effort(bench)
    run = await process.begin(uuid4(), "operator")
    while run.is_running:
        await process.go_on(run)
        run = await process.begin(run.id, "operator")
    effort.show(table, "customers reconciled", run.accounts)
    table.goal("  discrepancies", f"{run.findings}", goal="none", met=run.findings == 0)


@dataclass
class Effort:
    """What something costs from here on: seconds, statements and calls of Stripe."""

    bench: Bench
    statements: int = field(init=False)
    calls: int = field(init=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.statements, self.calls = self.bench.count_statements(), self.bench.count_calls()
        self.began = time.perf_counter()

    def show(self, table: Table, name: str, count: int) -> float:
        took = time.perf_counter() - self.began
        table.row(
            name,
            *(f"{count:,}", f"{took:.1f} s", f"{count / took:,.0f} /s"),
            f"{self.bench.count_statements() - self.statements:,} queries",
            f"{self.bench.count_calls() - self.calls:,} calls",
        )
        return took


async def measure_proof(bench: Bench, table: Table, api: ApiClient, user_id: UUID) -> None:
    """Report many jobs of one customer, let the period end, and prove its invoice."""
    subject: UUID = await bench.admin.fetchval(
        "SELECT subject_id FROM jobs.subjects WHERE user_id = $1", user_id
    )
    jobs = bench.options.jobs
    await add_usage(bench, user_id, subject, jobs)
    report = ReportUsage(bench.parts.metering.reports, bench.parts.metering.meter, bench.metrics)
    for _ in range(1 + jobs // LEAST_OF_A_REPORT):
        await report(subject)
    customer = await find_customer(bench, user_id)
    await bench.fleet.control_stripe("advance-customer", customer=customer, seconds=MONTH_SECONDS)
    invoice_id = await wait_for_invoice(bench, user_id, jobs)
    signer = Ed25519Signer(LOCAL_PROOF_KEY)
    proving = bench.parts.proving
    prove = ProveInvoice(proving.proofs, signer, proving.invoices, bench.metrics)
    began = time.perf_counter()
    await prove(invoice_id)
    proved = time.perf_counter() - began
    began = time.perf_counter()
    answer = await api.request("GET", f"/billing/invoices/{invoice_id}/proof", timeout=60)
    answer.raise_for_status()
    read = time.perf_counter() - began
    goal = f"< {PROOF_SECONDS:.0f} s"
    table.goal(f"proof of {jobs:,} jobs", f"{proved:.2f} s", goal=goal, met=proved < PROOF_SECONDS)
    table.row("  read through the API", f"{read:.2f} s", f"{len(answer.content) / 1e6:.1f} MB")
    verified = verify(answer.content)
    goal = f"< {VERIFIER_SECONDS:.0f} s"
    table.goal("  verifier", f"{verified:.2f} s", goal=goal, met=verified < VERIFIER_SECONDS)


async def wait_for_invoice(bench: Bench, user_id: UUID, units: int) -> str:
    """Wait until the webhooks of the period's end are applied."""
    sql = (
        "SELECT i.stripe_invoice_id FROM billing.invoices i"
        " JOIN billing.invoice_lines l USING (stripe_invoice_id)"
        " WHERE i.user_id = $1 AND i.finalized_at IS NOT NULL AND l.quantity = $2"
    )
    find = partial(bench.admin.fetchval, sql, user_id, units)
    return str(await wait_until(find, timeout=300, message="no invoice came"))


def verify(proof: bytes) -> float:
    """Return the seconds that the verifier takes; a proof that is not right is an error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proof.json"
        file.write_bytes(proof)
        json.loads(proof)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", str(VERIFIER), str(file)], check=True)
        return time.perf_counter() - began


def main() -> int:
    options = parse_options("billing", __doc__, OPTIONS)
    configure_logging("bench", "local", level="CRITICAL", stream=sys.stderr.buffer)
    # The stand-in's own limits are Stripe's, and would be what is measured.
    for name in ("REQUESTS", "METER_EVENTS", "STREAM_REQUESTS"):
        os.environ[f"LOCAL_STRIPE_{name}_PER_SECOND"] = "0"
    return measure_fleet(measure, options)


if __name__ == "__main__":
    sys.exit(main())
