"""Corrections in Postgres: each is a row of its own, linked to the report that it reverses."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from msaas.billing.adapters.postgres import corrections_sql as sql
from msaas.billing.adapters.postgres.reports import identify, read_reports
from msaas.billing.adapters.postgres.usage import CHAIN_LOCK_TIMEOUT
from msaas.billing.adapters.postgres.usage_sql import LOCK_CHAIN, REPORT
from msaas.billing.application.metering_ports import DecideMeans
from msaas.billing.domain.corrections import Charge, Correction, InvoicedUsage
from msaas.billing.domain.errors import CorrectionMustWait, UsageNotFound
from msaas.billing.domain.usage import CorrectionMeans, CorrectionState, UsageBilling
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection


class PostgresCorrections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, job_id: UUID, reason: str, decide: DecideMeans) -> Correction:
        async with self._database.transaction(lock_timeout=CHAIN_LOCK_TIMEOUT) as connection:
            subject_id = await connection.fetchval(sql.FIND_SUBJECT, job_id)
            if subject_id is None:
                raise UsageNotFound
            await connection.execute(LOCK_CHAIN, subject_id)
            found = await connection.fetchrow(sql.FIND_OF_JOB, job_id)
            if found is None:
                charge = await _find_charge(connection, job_id)
                await self._insert(connection, charge, reason, decide)
                found = await connection.fetchrow(sql.FIND_OF_JOB, job_id)
        return _read_correction(found)

    async def _insert(
        self, connection: DatabaseConnection, charge: Charge, reason: str, decide: DecideMeans
    ) -> None:
        now = await connection.fetchval("SELECT clock_timestamp()")
        means = decide(charge, now)
        if charge.account_id is None:
            raise UsageNotFound
        if means is None or await connection.fetchval(sql.IS_BUSY, charge.subject_id):
            raise CorrectionMustWait
        is_done = means in {CorrectionMeans.UNREPORTED, CorrectionMeans.NONE}
        await connection.execute(
            sql.INSERT,
            new_id(),
            charge.account_id,
            charge.subject_id,
            charge.job_id,
            charge.revision + 1,
            -charge.quantity,
            reason,
            charge.period_start,
            means,
            CorrectionState.APPLIED if is_done else CorrectionState.PENDING,
            charge.report.id if charge.report and not is_done else None,
        )
        if means is CorrectionMeans.UNREPORTED:
            await connection.execute(sql.RELEASE_EVENT, charge.subject_id, charge.seq)

    async def list_open(self, subject_id: UUID) -> Sequence[Correction]:
        async with self._database.connection() as connection:
            return [
                _read_correction(row) for row in await connection.fetch(sql.LIST_OPEN, subject_id)
            ]

    async def list_applied(self, subject_id: UUID) -> Sequence[Correction]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_APPLIED, subject_id)
        return [_read_correction(row) for row in rows]

    async def begin(self, correction_id: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.BEGIN, correction_id)

    async def replace_report(self, correction: Correction) -> None:
        new = new_id()
        async with self._database.transaction() as connection:
            if not await connection.fetchval(sql.LOCK, correction.id):
                return  # another process has done it
            await connection.execute(sql.CANCEL_REPORT, correction.reverses_report_id)
            report_id = await connection.fetchval(
                sql.REPLACE_REPORT,
                *(correction.reverses_report_id, new, identify(new), -correction.quantity),
            )
            done = (CorrectionState.APPLIED, report_id, None, None, None, None)
            await connection.execute(sql.APPLY, correction.id, *done)

    async def find_invoiced(self, correction: Correction) -> InvoicedUsage | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql.FIND_INVOICED, correction.reverses_report_id)
        if row is None:
            return None
        return InvoicedUsage(
            invoice_id=row["stripe_invoice_id"],
            line_id=row["line_id"],
            is_paid=row["is_paid"],
            quantity=int(row["quantity"] or 0),
            unit_amount=Decimal(row["unit_amount"]),
            credited=row["credited"],
        )

    async def finish_credit(
        self, correction: Correction, usage: InvoicedUsage, amount: int, note_id: str | None
    ) -> None:
        done = (CorrectionState.APPLIED, None, usage.invoice_id, note_id, amount, None)
        async with self._database.connection() as connection:
            await connection.execute(sql.APPLY, correction.id, *done)

    async def reject(self, correction: Correction, error: str) -> None:
        refused = (CorrectionState.REJECTED, None, None, None, None, error)
        async with self._database.connection() as connection:
            await connection.execute(sql.APPLY, correction.id, *refused)


async def _find_charge(connection: DatabaseConnection, job_id: UUID) -> Charge:
    (row,) = await connection.fetch(sql.FIND_CHARGE, job_id)
    reports = read_reports(await connection.fetch(sql.FIND_REPORT % REPORT, job_id))
    invoiced = reports and await connection.fetchrow(sql.FIND_INVOICED, reports[0].id)
    return Charge(
        account_id=row["account_id"],
        subject_id=row["subject_id"],
        job_id=row["job_id"],
        seq=row["seq"],
        quantity=row["quantity"],
        billing=UsageBilling(row["billing"]),
        period_start=row["period_start"],
        revision=row["revision"],
        report=reports[0] if reports else None,
        is_invoiced=bool(invoiced),
    )


def _read_correction(row: Any) -> Correction:
    return Correction(
        id=row["id"],
        account_id=row["account_id"],
        subject_id=row["subject_id"],
        job_id=row["job_id"],
        quantity=row["quantity"],
        means=CorrectionMeans(row["means"]),
        state=CorrectionState(row["state"]),
        period_start=row["period_start"],
        reason=row["reason"],
        applied_at=row["applied_at"],
        reverses_report_id=row["reverses_report_id"],
        reverses_identifier=row["reverses_identifier"],
    )
