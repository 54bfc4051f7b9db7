"""How a charge is taken back: by which means, and for how much."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from msaas.billing.domain.money import price_units
from msaas.billing.domain.usage import (
    CorrectionMeans,
    CorrectionState,
    MeterReport,
    ReportState,
    UsageBilling,
)

ADJUSTABLE_FOR: Final = timedelta(hours=23)
"""Stripe cancels a meter event within 24 hours of its receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a job was charged; `report` is the present report of the units, if there is one.

    `is_invoiced`: a final invoice charges that report, so that the meter changes nothing any more.
    """

    account_id: UUID | None
    subject_id: UUID
    job_id: UUID
    seq: int
    quantity: int
    billing: UsageBilling
    period_start: datetime
    revision: int = 0
    report: MeterReport | None = None
    is_invoiced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A reversal, linked to the job that it corrects; `quantity` is negative."""

    id: UUID
    account_id: UUID
    subject_id: UUID
    job_id: UUID
    quantity: int
    means: CorrectionMeans
    state: CorrectionState
    period_start: datetime
    reason: str
    applied_at: datetime | None = None
    reverses_report_id: UUID | None = None
    reverses_identifier: str | None = None


def choose_means(charge: Charge, now: datetime) -> CorrectionMeans | None:
    """Choose the means; None while a report is on its way, so that nothing is known of it."""
    if charge.billing is UsageBilling.UNREPORTED:
        return CorrectionMeans.UNREPORTED
    if charge.report is None:
        return CorrectionMeans.NONE
    if charge.report.state is not ReportState.REPORTED or charge.report.reported_at is None:
        return None
    if not charge.is_invoiced and now < charge.report.reported_at + ADJUSTABLE_FOR:
        return CorrectionMeans.METER_ADJUSTMENT
    return CorrectionMeans.CREDIT_NOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicedUsage:
    """The invoice line that holds a report, and what of it was credited before."""

    invoice_id: str
    line_id: str
    is_paid: bool
    quantity: int
    unit_amount: Decimal
    credited: int


def credit_amount(usage: InvoicedUsage, quantity: int) -> int:
    """Return what the line would cost less: several credits add up to one of their sum."""
    before = price_units(usage.unit_amount, usage.quantity - usage.credited)
    return before - price_units(usage.unit_amount, usage.quantity - usage.credited - quantity)
