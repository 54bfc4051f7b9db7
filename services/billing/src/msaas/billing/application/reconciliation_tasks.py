"""The periodic step that begins the daily reconciliation, and goes on with one that stopped."""

from datetime import timedelta
from itertools import product
from typing import Final
from uuid import UUID

from msaas.billing.application.cron import COMMANDS, Publisher
from msaas.billing.application.reconciliation_ports import ReconciliationStore, RunSummary
from msaas.billing.domain.reconciliation import FindingKind, Outcome
from msaas.contracts import ReconcileUsage
from msaas.kernel import new_id
from msaas.telemetry import Metrics

PERIOD: Final = timedelta(days=1)
DISCREPANCIES: Final = (Outcome.OURS_AHEAD, Outcome.STRIPE_AHEAD, Outcome.INCONSISTENT)


class ReconciliationTask:
    """A run goes on by its own messages; one without progress since the last step lost them."""

    def __init__(self, store: ReconciliationStore, publisher: Publisher, metrics: Metrics) -> None:
        self._store = store
        self._publisher = publisher
        self._seen: tuple[UUID | None, UUID | None] = (None, None)
        self._last_success = metrics.gauge(
            "billing_reconciliation_last_success_timestamp_seconds",
            "When the last reconciliation was completed.",
        )
        self._discrepancies = metrics.gauge(
            "billing_reconciliation_discrepancies",
            "What the last reconciliation found and could not heal.",
            ("kind", "outcome"),
        )

    async def __call__(self) -> None:
        summary = await self._store.summarize()
        self._show(summary)
        run_id = summary.running
        if run_id is None:
            now = await self._store.get_now()
            if summary.last_started is None or now - summary.last_started >= PERIOD:
                await self._ask(new_id())
        elif self._seen == (run_id, summary.position):
            await self._ask(run_id)
        self._seen = (run_id, summary.position)

    async def _ask(self, run_id: UUID) -> None:
        await self._publisher.publish(
            COMMANDS, ReconcileUsage(run_id=run_id), correlation_id=str(new_id())
        )

    def _show(self, summary: RunSummary) -> None:
        if summary.last_success is not None:
            self._last_success.set(summary.last_success.timestamp())
        for kind, outcome in product(FindingKind, DISCREPANCIES):
            found = summary.open_findings.get((kind, outcome), 0)
            self._discrepancies.labels(kind, outcome).set(found)
