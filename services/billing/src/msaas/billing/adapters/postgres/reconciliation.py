"""Runs of reconciliation in Postgres, and the figures that they compare."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from msaas.billing.adapters.postgres import reconciliation_sql as sql
from msaas.billing.application.reconciliation_ports import (
    CountedUsage,
    Customer,
    Run,
    RunSummary,
)
from msaas.billing.domain.reconciliation import (
    CountedPeriod,
    Figures,
    Finding,
    FindingKind,
    SentReport,
    Window,
)
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection

MINUTE: Final = timedelta(minutes=1)


class PostgresReconciliation:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, run_id: UUID, trigger: str) -> Run:
        async with self._database.connection() as connection:
            await connection.execute(sql.BEGIN, run_id, trigger)
            [row] = await connection.fetch(sql.FIND_RUN, run_id)
        return Run(**dict(row))

    async def list_customers(self, after: UUID | None, limit: int) -> Sequence[Customer]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_CUSTOMERS, after or UUID(int=0), limit)
        return [Customer(**dict(row)) for row in rows]

    async def weigh(
        self, customers: Sequence[Customer], windows: Mapping[UUID, Sequence[Window]]
    ) -> Mapping[tuple[UUID, Window], Figures]:
        flat = [
            (each.account_id, window.start, window.end, window is windows[each.account_id][-1])
            for each in customers
            for window in windows[each.account_id]
        ]
        if not flat:
            return {}
        columns = map(list, zip(*flat, strict=True))
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.WEIGH, *columns)
        return {
            (row["account_id"], Window(row["start"], row["stop"])): Figures(
                counted=None,
                events=row["events"],
                reported=row["reported"],
                open=row["open"],
                recent=row["recent"],
                rejected=row["rejected"],
                at_stripe=0,
            )
            for row in rows
        }

    async def take_counts(self, counted: Sequence[CountedUsage]) -> None:
        newest = {(each.subject_id, each.period_start): each for each in counted}
        rows = [
            (each.subject_id, each.period_start, each.used, each.last_seq, each.head)
            for each in sorted(newest.values(), key=lambda each: (each.subject_id, each.last_seq))
        ]
        async with self._database.connection() as connection:
            await connection.execute(sql.TAKE_COUNTS, *map(list, zip(*rows, strict=True)))

    async def list_counts(self, account_ids: Sequence[UUID]) -> Sequence[CountedPeriod]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_COUNTS, list(account_ids))
        return [CountedPeriod(**dict(row)) for row in rows]

    async def list_subjects(self, account_ids: Sequence[UUID]) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_SUBJECTS, list(account_ids))
        return [row["subject_id"] for row in rows]

    async def list_sent(self, account_id: UUID, window: Window) -> Sequence[SentReport]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_SENT, account_id, window.start, window.end)
        return [
            SentReport(
                id=row["id"],
                identifier=row["identifier"],
                quantity=row["quantity"],
                window=Window(row["minute"], row["minute"] + MINUTE),
                is_alone=row["is_alone"],
                is_invoiced=row["is_invoiced"],
            )
            for row in rows
        ]

    async def store(self, run: Run, position: UUID, done: int, findings: Sequence[Finding]) -> bool:
        count = sum(finding.is_discrepancy for finding in findings)
        async with self._database.transaction(lock_timeout=5.0) as connection:
            step = (run.id, run.position, position, done, count)
            if not await connection.fetchval(sql.ADVANCE, *step):
                return False
            for finding in findings:
                await _insert(connection, run.id, finding)
                if finding.lost:
                    ids = [report.id for report in finding.lost]
                    await connection.execute(sql.REOPEN_REPORT, ids)
                if finding.kind is FindingKind.SUBSCRIPTION:
                    await connection.execute(sql.LOOK_AGAIN, finding.account_id)
        return True

    async def finish(self, run_id: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.FINISH, run_id)

    async def summarize(self) -> RunSummary:
        async with self._database.connection() as connection:
            [row] = await connection.fetch(sql.SUMMARIZE)
            found = await connection.fetch(sql.COUNT_OPEN)
        return RunSummary(
            running=row["running"],
            position=row["position"],
            last_started=row["last_started"],
            last_success=row["last_success"],
            open_findings={(each["kind"], each["outcome"]): each["findings"] for each in found},
        )

    async def list_findings(self, run_id: UUID) -> Sequence[Mapping[str, object]]:
        async with self._database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql.LIST_FINDINGS, run_id)]

    async def get_now(self) -> datetime:
        async with self._database.connection() as connection:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return now


async def _insert(connection: DatabaseConnection, run_id: UUID, finding: Finding) -> None:
    window, figures = finding.window, finding.figures
    await connection.execute(
        sql.INSERT_FINDING,
        new_id(),
        run_id,
        finding.account_id,
        finding.kind,
        finding.outcome,
        window and window.start,
        window and window.end,
        figures and figures.counted,
        figures and figures.events,
        figures and figures.reported,
        figures and figures.at_stripe,
        orjson.dumps(finding.evidence, default=str).decode(),
        finding.is_healed,
    )
