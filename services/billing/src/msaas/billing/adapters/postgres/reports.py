"""Reports to the meter in Postgres: every step is committed before the next one begins."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msaas.billing.adapters.postgres import usage_sql as sql
from msaas.billing.adapters.postgres.usage import CHAIN_LOCK_TIMEOUT, read_event
from msaas.billing.application.metering_ports import PlanReports, Uncertainty
from msaas.billing.domain.metering import BilledPeriod, ReportDraft
from msaas.billing.domain.usage import MeterReport, ReportState
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection

MAX_EVENTS: Final = 5_000


class PostgresReports:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def assign(self, subject_id: UUID, plan: PlanReports) -> int:
        async with self._database.transaction(lock_timeout=CHAIN_LOCK_TIMEOUT) as connection:
            last_seq = await connection.fetchval(sql.LOCK_CHAIN, subject_id)
            payer = await connection.fetchrow(sql.FIND_PAYER, subject_id)
            if payer is None:
                return 0
            rows = await connection.fetch(sql.LIST_UNREPORTED, subject_id, last_seq, MAX_EVENTS)
            period = BilledPeriod(start=payer["period_start"], end=payer["period_end"])
            drafts = list(plan([read_event(row) for row in rows], period, payer["now"]))
            for draft in drafts:
                await _insert(connection, subject_id, payer, draft)
        return len(drafts)

    async def list_open(self, subject_id: UUID) -> Sequence[MeterReport]:
        async with self._database.connection() as connection:
            return read_reports(await connection.fetch(sql.LIST_OPEN, subject_id))

    async def begin_attempt(self, report_id: UUID, window: timedelta) -> MeterReport | None:
        return await self._change(sql.BEGIN_ATTEMPT, report_id, window)

    async def restart(self, report_id: UUID) -> MeterReport | None:
        return await self._change(sql.RESTART, report_id)

    async def finish(self, report_id: UUID, state: ReportState, error: str | None = None) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.FINISH, report_id, state, error)

    async def postpone(self, report_id: UUID, delay: float, error: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.POSTPONE, report_id, delay, error)

    async def weigh_window(
        self, report: MeterReport, start: datetime, end: datetime
    ) -> Uncertainty:
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(
                sql.WEIGH_WINDOW,
                *(report.stripe_customer_id, report.id, report.account_id, start, end),
            )
        return Uncertainty(known=row["known"], others=row["others"])

    async def take_unpublished(self, subject_id: UUID, *, repeats: bool) -> Sequence[MeterReport]:
        async with self._database.connection() as connection:
            marked = await connection.fetch(sql.MARK_PUBLISHED, subject_id)
            if repeats:
                return read_reports(await connection.fetch(sql.LIST_PUBLISHED, subject_id))
        return sorted(read_reports(marked), key=lambda report: report.first_seq)

    async def get_now(self) -> datetime:
        async with self._database.connection() as connection:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return now

    async def _change(self, statement: str, *arguments: object) -> MeterReport | None:
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *arguments)
        return read_reports(rows)[0] if rows else None


async def _insert(
    connection: DatabaseConnection, subject_id: UUID, payer: Any, draft: ReportDraft
) -> None:
    report_id = new_id()
    await connection.execute(
        sql.INSERT_REPORT,
        report_id,
        identify(report_id),
        payer["id"],
        subject_id,
        payer["stripe_customer_id"],
        draft.quantity,
        draft.meter_timestamp,
        draft.period_start,
        draft.seqs[0],
        draft.seqs[-1],
        draft.head,
    )
    seqs = list(draft.seqs)
    await connection.execute(sql.ASSIGN_EVENTS, subject_id, seqs, report_id, payer["price_id"])


def identify(report_id: UUID) -> str:
    """Return the identifier under which the meter takes a report once."""
    return f"usage_{report_id.hex}"


def read_reports(rows: Sequence[Any]) -> list[MeterReport]:
    return [
        MeterReport(
            id=row["id"],
            identifier=row["identifier"],
            account_id=row["account_id"],
            subject_id=row["subject_id"],
            stripe_customer_id=row["stripe_customer_id"],
            quantity=row["quantity"],
            meter_timestamp=row["meter_timestamp"],
            period_start=row["period_start"],
            first_seq=row["first_seq"],
            last_seq=row["last_seq"],
            head=row["head"],
            state=ReportState(row["state"]),
            attempts=row["attempts"],
            first_sent_at=row["first_sent_at"],
            last_sent_at=row["last_sent_at"],
            reported_at=row["reported_at"],
        )
        for row in rows
    ]
