"""Invoices, the jobs behind their lines, and the proof of what they charge."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from msaas.contracts import Scope
from msaas.gateway.application.errors import InvoiceNotFound, ProofNotReady
from msaas.gateway.application.invoice_ports import InvoiceViews
from msaas.gateway.application.ports import Row
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, InvoiceViewsDep, PageSize
from msaas.gateway.entrypoints.http.invoice_models import (
    Invoice,
    InvoiceJob,
    InvoiceJobs,
    InvoicePage,
    InvoiceSummary,
)
from msaas.gateway.entrypoints.http.models import to_model
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

FORMAT: Final = "msaas-invoice-proof/1"
FIRST_JOBS: Final = 20
_ID: Final = r"^[A-Za-z0-9_-]+$"
InvoiceId = Annotated[str, Path(pattern=_ID, max_length=255)]
InvoiceCursor = Annotated[str | None, Query(alias="cursor", pattern=_ID, max_length=255)]
JobCursor = Annotated[UUID | None, Query(alias="cursor")]

router = APIRouter(prefix="/api/v1/billing/invoices")
_READS: Final = guard(RouteRule(scope=Scope.ACCOUNT_READ))


@router.get("", dependencies=[_READS])
async def list_invoices(
    user: CurrentUser, views: InvoiceViewsDep, after: InvoiceCursor = None, limit: PageSize = 20
) -> InvoicePage:
    rows = await views.list_invoices(user.id, after, limit + 1)
    shown = rows[:limit]
    return InvoicePage(
        items=[to_model(InvoiceSummary, row) for row in shown],
        next_cursor=shown[-1]["id"] if len(rows) > limit else None,
    )


@router.get("/{invoice_id}", dependencies=[_READS])
async def read_invoice(invoice_id: InvoiceId, user: CurrentUser, views: InvoiceViewsDep) -> Invoice:
    invoice = await _find(views, user.id, invoice_id)
    rows = await views.list_jobs(user.id, invoice_id, None, FIRST_JOBS + 1)
    jobs = _build_jobs(rows, FIRST_JOBS)
    return Invoice.model_validate({**invoice, "jobs": jobs.model_dump()})


@router.get("/{invoice_id}/jobs", dependencies=[_READS])
async def list_invoice_jobs(
    invoice_id: InvoiceId,
    user: CurrentUser,
    views: InvoiceViewsDep,
    after: JobCursor = None,
    limit: PageSize = 20,
) -> InvoiceJobs:
    await _find(views, user.id, invoice_id)
    rows = await views.list_jobs(user.id, invoice_id, after, limit + 1)
    return _build_jobs(rows, limit)


@router.get("/{invoice_id}/proof", dependencies=[_READS])
async def read_invoice_proof(
    invoice_id: InvoiceId, user: CurrentUser, views: InvoiceViewsDep
) -> StreamingResponse:
    """Answer with a file that the verifier reads; it is as long as the usage that it proves."""
    await _find(views, user.id, invoice_id)
    proofs = await views.list_proofs(user.id, invoice_id)
    if not proofs:
        raise ProofNotReady
    return StreamingResponse(
        _iter_proof(views, user.id, invoice_id, proofs),
        media_type="application/json",
        headers={
            "content-disposition": f'attachment; filename="{invoice_id}-proof.json"',
            "cache-control": "no-store",
        },
    )


async def _find(views: InvoiceViews, user_id: UUID, invoice_id: str) -> Row:
    if invoice := await views.find_invoice(user_id, invoice_id):
        return invoice
    raise InvoiceNotFound


def _build_jobs(rows: Sequence[Row], limit: int) -> InvoiceJobs:
    shown = rows[:limit]
    return InvoiceJobs(
        items=[to_model(InvoiceJob, row) for row in shown],
        next_cursor=str(shown[-1]["job_id"]) if len(rows) > limit else None,
    )


async def _iter_proof(
    views: InvoiceViews, user_id: UUID, invoice_id: str, proofs: Sequence[Row]
) -> AsyncIterator[bytes]:
    yield b'{"format":%b,"invoice":%b,"proofs":[\n' % (
        orjson.dumps(FORMAT),
        orjson.dumps(invoice_id),
    )
    for number, proof in enumerate(proofs):
        head = {"statement": proof["statement"], "signature": proof["signature"]}
        yield (b",\n" if number else b"") + orjson.dumps(head)[:-1] + b',"links":[\n'
        separator = ""
        async for page in views.read_links(user_id, proof):
            yield (separator + ",\n".join(page)).encode()
            separator = ",\n"
        yield b"\n]}"
    yield b"\n]}\n"
