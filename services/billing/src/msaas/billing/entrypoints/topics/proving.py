"""The messages of billing.commands that timers append about invoices and reconciliation."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from msaas.billing.application.reconcile_usage import ReconcileUsage
from msaas.contracts import CountUsage, ProveInvoice
from msaas.contracts import ReconcileUsage as ReconcileCommand
from msaas.messaging import Delivery, OutgoingMessage

COMMANDS: Final = "billing.commands"
REQUESTS: Final = "usage.requests"


class ProvingHandler:
    """Nobody waits for an answer: what is left to do, the timer asks for again."""

    def __init__(self, prove: Callable[[str], Awaitable[None]], reconcile: ReconcileUsage) -> None:
        self._prove = prove
        self._reconcile = reconcile

    async def __call__(
        self, delivery: Delivery, command: ProveInvoice | ReconcileCommand
    ) -> list[OutgoingMessage]:
        match command:
            case ProveInvoice(invoice_id=invoice_id):
                await self._prove(invoice_id)
                return delivery.reply_success()
            case ReconcileCommand(run_id=run_id):
                return [*delivery.reply_success(), *await self._go_on(delivery, run_id)]

    async def _go_on(self, delivery: Delivery, run_id: UUID) -> list[OutgoingMessage]:
        """Compare a page, and ask for the next one; one that another process did is its own."""
        run = await self._reconcile.begin(run_id, "cron")
        after = await self._reconcile.go_on(run) if run.is_running else None
        if after is None or not after.is_running:
            return []
        return [
            *(delivery.emit(REQUESTS, CountUsage(subject_id=each)) for each in after.subjects),
            delivery.emit(COMMANDS, ReconcileCommand(run_id=after.id)),
        ]
