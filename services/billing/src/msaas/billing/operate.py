"""`python -m msaas.billing reconcile | explain`: what an operator asks, answered as text."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from msaas.billing.adapters.postgres.invoice_usage import PostgresInvoiceUsage
from msaas.billing.application.explain_invoice import describe
from msaas.billing.application.reconciliation_ports import Run
from msaas.billing.bootstrap import (
    SERVICE,
    BillingRules,
    Parts,
    build_parts,
    build_reconcile,
    open_client,
)
from msaas.billing.domain.errors import StripeUnavailable
from msaas.billing.settings import SetUpSettings
from msaas.kernel import CircuitOpen, new_id
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics


@asynccontextmanager
async def _open(settings: SetUpSettings) -> AsyncGenerator[tuple[Database, Parts]]:
    metrics = Metrics(SERVICE, str(settings.environment))
    client = open_client(settings, metrics)
    rules = BillingRules(livemode=settings.livemode, grace=timedelta(0))
    config = PostgresConfig(settings.database_url.get_secret_value())
    try:
        async with Database(config, metrics) as database:
            yield database, build_parts(database, client, rules)
    finally:
        await client.close()


async def explain(settings: SetUpSettings, invoice_id: str) -> int:
    """Return 0 where usage explains every line, 1 where it does not, and 2 for no such invoice."""
    async with _open(settings) as (database, _):
        found = await PostgresInvoiceUsage(database).find(invoice_id)
    if found is None:
        print("No invoice has this id.", flush=True)  # noqa: T201  # the answer of a command
        return 2
    print("\n".join(describe(found)), flush=True)  # noqa: T201  # see above
    return 0 if found.is_explained else 1


async def reconcile(settings: SetUpSettings) -> int:
    """Return 0 where all is equal or healed, 1 for discrepancies, and 2 where Stripe is away."""
    async with _open(settings) as (_, parts):
        process = build_reconcile(parts)
        run = await process.begin(new_id(), "operator")
        try:
            while run.is_running:
                await process.go_on(run)
                run = await process.begin(run.id, "operator")
        except (StripeUnavailable, CircuitOpen):
            print("Stripe does not answer. The timer goes on with this run.", flush=True)  # noqa: T201  # see above
            return 2
        return await _print_findings(parts, run)


async def _print_findings(parts: Parts, run: Run) -> int:
    findings = await parts.proving.reconciliation.list_findings(run.id)
    for each in findings:
        state = "healed" if each["is_healed"] else "OPEN"
        figures = "/".join(str(each[name]) for name in ("events", "reported", "at_stripe"))
        print(  # noqa: T201  # see above
            f"{state} {each['kind']} {each['outcome']} account={each['account_id']}"
            f" from={each['period_start']} events/reported/stripe={figures} {each['evidence']}"
        )
    remaining = sum(not each["is_healed"] for each in findings)
    print(f"{run.accounts} customers, {len(findings)} discrepancies, {remaining} open", flush=True)  # noqa: T201  # see above
    return 1 if remaining else 0
