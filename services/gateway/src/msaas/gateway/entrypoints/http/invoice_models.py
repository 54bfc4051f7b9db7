"""Response models of invoices."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msaas.gateway.entrypoints.http.models import ResponseModel


class InvoiceSummary(ResponseModel):
    """Amounts are in the smallest unit of the currency; `has_proof` once its proof can be read."""

    id: str
    number: str | None
    status: str
    currency: str
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    billing_reason: str | None
    next_payment_attempt: datetime | None
    period_start: datetime
    period_end: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    hosted_invoice_url: str | None
    created_at: datetime
    has_proof: bool


class InvoicePage(ResponseModel):
    items: list[InvoiceSummary]
    next_cursor: str | None


class InvoiceJob(ResponseModel):
    """`seq` is the number of its entry in the usage chain."""

    line_id: str
    job_id: UUID
    quantity: int
    occurred_at: datetime
    seq: int


class InvoiceJobs(ResponseModel):
    items: list[InvoiceJob]
    next_cursor: str | None


class InvoiceLine(ResponseModel):
    id: str
    description: str | None
    amount: int
    quantity: int | None
    unit_amount: Decimal | None
    is_metered: bool
    is_proration: bool
    period_start: datetime
    period_end: datetime


class Invoice(InvoiceSummary):
    """`jobs` is the first page of the jobs behind the metered lines."""

    lines: list[InvoiceLine]
    jobs: InvoiceJobs
