"""Takes back what a job was charged: a reversal that is linked to it, never a changed entry."""

from collections.abc import Sequence
from uuid import UUID

from msaas.billing.application.metering_ports import CorrectionStore, Credits, Meter
from msaas.billing.domain.corrections import Correction, choose_means, credit_amount
from msaas.billing.domain.errors import StripeRefused, StripeUnavailable
from msaas.billing.domain.usage import CorrectionMeans
from msaas.kernel import CircuitOpen
from msaas.telemetry import get_logger


class CorrectUsage:
    def __init__(self, store: CorrectionStore, meter: Meter, credit_notes: Credits) -> None:
        self._store = store
        self._meter = meter
        self._credits = credit_notes
        self._log = get_logger()

    async def record(self, job_id: UUID, reason: str) -> Correction:
        """Record a reversal; a job that is reversed already has the one it has."""
        return await self._store.record(job_id, reason, choose_means)

    async def list_applied(self, subject_id: UUID) -> Sequence[Correction]:
        return await self._store.list_applied(subject_id)

    async def __call__(self, subject_id: UUID) -> None:
        """Apply what is recorded; what Stripe does not answer is tried again with the next call."""
        for correction in await self._store.list_open(subject_id):
            try:
                await self._apply(correction)
            except (StripeUnavailable, CircuitOpen):
                return
            except StripeRefused as error:
                reason = str(error.context.get("reason"))
                await self._store.reject(correction, reason)
                self._log.error("correction_refused", correction_id=str(correction.id))

    async def _apply(self, correction: Correction) -> None:
        if correction.means is CorrectionMeans.METER_ADJUSTMENT:
            await self._store.begin(correction.id)
            await self._meter.cancel(str(correction.reverses_identifier))
            await self._store.replace_report(correction)
        else:
            await self._credit(correction)

    async def _credit(self, correction: Correction) -> None:
        """Credit a finalised invoice; until there is one the correction waits."""
        usage = await self._store.find_invoiced(correction)
        if usage is None:
            return
        await self._store.begin(correction.id)
        amount = credit_amount(usage, -correction.quantity)
        note = await self._credits.credit(correction.id, usage, amount) if amount else None
        await self._store.finish_credit(correction, usage, amount, note)
