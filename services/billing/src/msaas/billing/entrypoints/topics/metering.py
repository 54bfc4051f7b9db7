"""The messages of billing.commands about usage: reports of a subject, and corrections."""

from datetime import UTC, datetime
from typing import Any, Final

from msaas.billing.application.correct_usage import CorrectUsage
from msaas.billing.application.preview_invoice import Preview, PreviewInvoice
from msaas.billing.application.report_usage import ReportUsage
from msaas.billing.domain.corrections import Correction
from msaas.billing.domain.usage import CorrectionState, MeterReport
from msaas.contracts import CorrectUsage as CorrectCommand
from msaas.contracts import PreviewInvoice as PreviewCommand
from msaas.contracts import ReportUsage as ReportCommand
from msaas.contracts import UsageReconciled, UsageReported
from msaas.kernel import derive_id
from msaas.messaging import Delivery, OutgoingMessage

EVENTS: Final = "billing.events"
COMMANDS: Final = "billing.commands"


class MeteringHandler:
    """A redelivered message publishes again what may not have been published.

    Corrections are few, and their consumer applies each once: those of a day are always published.
    """

    def __init__(self, report: ReportUsage, correct: CorrectUsage, preview: PreviewInvoice) -> None:
        self._report = report
        self._correct = correct
        self._preview = preview

    async def __call__(
        self, delivery: Delivery, command: ReportCommand | CorrectCommand | PreviewCommand
    ) -> list[OutgoingMessage]:
        match command:
            case CorrectCommand():
                return await self._record(delivery, command)
            case PreviewCommand(user_id=user_id, plan=plan, at=at):
                preview = await self._preview(user_id, plan, at)
                return delivery.reply_success(**_describe(preview))
            case ReportCommand():
                return await self._go_on(delivery, command)

    async def _go_on(self, delivery: Delivery, command: ReportCommand) -> list[OutgoingMessage]:
        subject_id = command.subject_id
        await self._correct(subject_id)
        await self._report(subject_id)
        reports = await self._report.take_unpublished(subject_id, repeats=delivery.is_redelivery)
        corrections = await self._correct.list_applied(subject_id)
        return [
            *(_emit_report(delivery, report) for report in reports),
            *(_emit_correction(delivery, each) for each in corrections),
        ]

    async def _record(self, delivery: Delivery, command: CorrectCommand) -> list[OutgoingMessage]:
        correction = await self._correct.record(command.job_id, command.reason)
        outgoing = delivery.reply_success(
            correction_id=str(correction.id), means=correction.means, state=correction.state
        )
        if correction.state is CorrectionState.APPLIED:
            return [*outgoing, _emit_correction(delivery, correction)]
        go_on = ReportCommand(subject_id=correction.subject_id)
        return [*outgoing, delivery.emit(COMMANDS, go_on)]


def _describe(preview: Preview) -> dict[str, Any]:
    return {
        "currency": preview.currency,
        "due_at": preview.due_at and preview.due_at.isoformat(),
        "total": preview.total,
        "lines": [
            {
                "kind": line.kind,
                "plan": line.plan,
                "amount": line.amount,
                "quantity": line.quantity,
                "unit_amount": None if line.unit_amount is None else str(line.unit_amount),
                "period_start": line.span.start.isoformat(),
                "period_end": line.span.end.isoformat(),
            }
            for line in preview.lines
        ],
    }


def _emit_report(delivery: Delivery, report: MeterReport) -> OutgoingMessage:
    message = UsageReported(
        subject_id=report.subject_id,
        stripe_event_id=report.identifier,
        quantity=report.quantity,
        period_start=report.period_start,
        reported_at=report.meter_timestamp,
        head=report.head,
    )
    return delivery.emit(EVENTS, message, id=report.id)


def _emit_correction(delivery: Delivery, correction: Correction) -> OutgoingMessage:
    """Publish a correction of the quota period that the job counted in; it is applied once."""
    message = UsageReconciled(
        subject_id=correction.subject_id,
        stripe_event_id=f"correction_{correction.id.hex}",
        quantity=correction.quantity,
        period_start=correction.period_start,
        reconciled_at=correction.applied_at or datetime.now(UTC),
        reason=correction.reason,
    )
    return delivery.emit(EVENTS, message, id=derive_id(correction.id, 1))
