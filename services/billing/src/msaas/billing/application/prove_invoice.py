"""Proves a final invoice: signs the usage that it charges, and leaves the head at Stripe.

Each step is committed before the next one, and each may be repeated: a process that ends between
two leaves the rest to the next message.
"""

from datetime import timedelta
from typing import Final

from msaas.billing.application.proof_ports import InvoiceMetadata, ProofStore, Signer
from msaas.billing.domain.errors import StripeRefused, StripeUnavailable
from msaas.billing.domain.proofs import (
    ChainSection,
    InvoiceToProve,
    SignedProof,
    build_metadata,
    build_statement,
)
from msaas.kernel import CircuitOpen
from msaas.telemetry import Metrics, get_logger, span

RETRY_AFTER: Final = timedelta(minutes=1)
"""Stripe is away, or a report is on its way."""

REFUSED_RETRY_AFTER: Final = timedelta(hours=1)


class ProveInvoice:
    def __init__(
        self, store: ProofStore, signer: Signer, invoices: InvoiceMetadata, metrics: Metrics
    ) -> None:
        self._store = store
        self._signer = signer
        self._invoices = invoices
        self._log = get_logger()
        self._proofs_total = metrics.counter(
            "billing_invoice_proofs_total", "Attempts to prove an invoice.", ("outcome",)
        )

    async def __call__(self, invoice_id: str) -> None:
        with span("billing.invoice.prove"):
            invoice = await self._store.find(invoice_id)
            if invoice is None:
                return
            outcome = await self._prove(invoice)
            self._proofs_total.labels(outcome).inc()

    async def _prove(self, invoice: InvoiceToProve) -> str:
        if invoice.quantity == 0:
            await self._store.finish(invoice.id)
            return "no_usage"
        proofs = invoice.proofs or await self._sign(invoice)
        if not proofs:
            await self._store.postpone(invoice.id, RETRY_AFTER)
            return "postponed"
        try:
            await self._invoices.write(invoice.id, build_metadata(proofs))
        except (StripeUnavailable, CircuitOpen):
            await self._store.postpone(invoice.id, RETRY_AFTER)
            return "postponed"
        except StripeRefused as error:
            await self._store.postpone(invoice.id, REFUSED_RETRY_AFTER)
            self._log.error("invoice_metadata_refused", reason=error.context.get("reason"))
            return "refused"
        await self._store.finish(invoice.id)
        return "proved"

    async def _sign(self, invoice: InvoiceToProve) -> list[SignedProof]:
        """Sign once what was reported is what the invoice charges; until then nothing."""
        sections: list[ChainSection] = []
        for subject_id in await self._store.list_subjects(invoice.id):
            section = ChainSection(subject_id=subject_id)
            async for page in self._store.read_entries(invoice.id, subject_id):
                section.add(page)
            sections.append(section)
        units = sum(section.quantity for section in sections)
        if units != invoice.quantity or not all(section.is_complete for section in sections):
            self._log.warning("invoice_usage_differs", units=units, charged=invoice.quantity)
            return []
        proofs = [self._build(invoice, section) for section in sections]
        await self._store.store(invoice.id, proofs)
        stored = await self._store.find(invoice.id)
        return list(stored.proofs) if stored else []

    def _build(self, invoice: InvoiceToProve, section: ChainSection) -> SignedProof:
        key_id, public_key = self._signer.key_id, self._signer.public_key
        statement = build_statement(invoice, section, key_id, public_key)
        return SignedProof(
            subject_id=section.subject_id,
            first_seq=section.first_seq,
            last_seq=section.last_seq,
            quantity=section.quantity,
            head_before=section.head_before,
            head_after=section.head_after,
            key_id=key_id,
            statement=statement,
            signature=self._signer.sign(statement.encode()),
        )
