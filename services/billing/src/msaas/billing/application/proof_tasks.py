"""The periodic step that asks for proofs of invoices."""

from typing import Final

from msaas.billing.application.cron import COMMANDS, Publisher
from msaas.billing.application.proof_ports import ProofStore
from msaas.contracts import ProveInvoice
from msaas.kernel import new_id

MAX_INVOICES: Final = 200


class DueProofsTask:
    def __init__(self, store: ProofStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def __call__(self) -> None:
        for invoice_id in await self._store.list_due(MAX_INVOICES):
            await self._publisher.publish(
                COMMANDS, ProveInvoice(invoice_id=invoice_id), correlation_id=str(new_id())
            )
