"""The record as results change it: subjects and jobs locked in order, then one write a set."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record

from msaas.contracts import JobStatus, Plan, Progress
from msaas.jobs.adapters.postgres import results_sql as sql
from msaas.jobs.adapters.postgres.results_rows import (
    Row,
    charge_row,
    counter_rows,
    lease_row,
    read_job,
    read_ledger_head,
    read_run,
    run_rows,
    state_row,
)
from msaas.jobs.adapters.postgres.snapshot_rows import read_snapshot
from msaas.jobs.adapters.postgres.usage_rows import read_charge
from msaas.jobs.adapters.postgres.waking_sql import WAKE
from msaas.jobs.application.results_ports import LockedState, Settlement, SettlementResult
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.charging import UsageCharge
from msaas.jobs.domain.job import Run
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settlement import Transition
from msaas.kernel import RetryPolicy
from msaas.postgres import Database, DatabaseConnection, TransactionConflict

LOCK_RETRY: Final = RetryPolicy(base=0.05, cap=0.5, attempts=4)


class PostgresResults:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(
        self, reports: Mapping[RunKey, RunReport], decide: Callable[[LockedState], Settlement]
    ) -> SettlementResult:
        """Try again where others hold the rows; only then may the batch be split."""

        async def attempt() -> SettlementResult:
            async with self._database.transaction() as connection:
                return await _settle(connection, reports, decide)

        return await LOCK_RETRY.run(attempt, retry_on=(TransactionConflict,))


async def _settle(
    connection: DatabaseConnection,
    reports: Mapping[RunKey, RunReport],
    decide: Callable[[LockedState], Settlement],
) -> SettlementResult:
    ending = {run.job_id for run, report in reports.items() if report.is_end}
    subjects = await connection.fetch(sql.LOCK_SUBJECTS, list(ending)) if ending else []
    ids = list({run.job_id for run in reports})
    jobs = await connection.fetch(sql.LOCK_JOBS, ids, list(ending))
    runs = await connection.fetch(sql.FIND_RUNS, ids)
    earlier = await _find_earlier_plans(connection, subjects, jobs)
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    settlement = decide(
        LockedState(
            now=now,
            jobs={row["id"]: read_job(row) for row in jobs},
            runs=_group(runs),
            ledger_heads={
                row["user_id"]: read_ledger_head(row, earlier[row["user_id"]]) for row in subjects
            },
        )
    )
    changed = await _write(connection, settlement)
    parents = {row["id"]: row["parent_job_id"] for row in jobs}
    woken = await _wake(connection, settlement.transitions, parents)
    return SettlementResult(
        transitions=settlement.transitions,
        snapshots={row["id"]: read_snapshot(row) for row in jobs} | changed,
        woken_count=woken,
        charges=[
            *settlement.charges,
            *await _find_earlier_charges(connection, settlement.transitions),
        ],
    )


async def _find_earlier_plans(
    connection: DatabaseConnection, subjects: Sequence[Record], jobs: Sequence[Record]
) -> Mapping[UUID, Mapping[datetime, Plan]]:
    """Find by which plan a job counts whose period is no longer its user's present one."""
    present = {row["user_id"]: row["period_start"] for row in subjects}
    periods = {
        (row["user_id"], row["usage_period"])
        for row in jobs
        if row["reserved"]
        and present.get(row["user_id"], row["usage_period"]) != row["usage_period"]
    }
    plans: dict[UUID, dict[datetime, Plan]] = defaultdict(dict)
    for row in await _fetch(connection, sql.FIND_EARLIER_PLANS, periods):
        plans[row["user_id"]][row["period_start"]] = Plan(row["plan"])
    return plans


async def _write(connection: DatabaseConnection, settlement: Settlement) -> dict[UUID, JobSnapshot]:
    transitions = settlement.transitions
    changed = [one for one in transitions if one.changes_state]
    renewed = [one for one in transitions if not one.changes_state and one.after != one.job]
    rows = [
        *await _fetch(connection, sql.UPDATE_STATES, map(state_row, changed)),
        *await _fetch(connection, sql.RENEW_LEASES, map(lease_row, renewed)),
    ]
    await _fetch(connection, sql.UPDATE_RUNS, [row for one in transitions for row in run_rows(one)])
    await _fetch(connection, sql.INSERT_CHARGES, map(charge_row, settlement.charges))
    await _fetch(connection, sql.SETTLE_COUNTERS, counter_rows(transitions, settlement.charges))
    progress = {one.job.id: _progress(one) for one in renewed}
    return {row["id"]: read_snapshot(row, progress.get(row["id"])) for row in rows}


async def _wake(
    connection: DatabaseConnection,
    transitions: Sequence[Transition],
    parents: Mapping[UUID, UUID | None],
) -> int:
    """Wake who waited for a job that ended, and who waits for none that has not."""
    waiting = {one.job.id for one in transitions if one.starts_waiting}
    waiting |= {parent for one in transitions if one.ends and (parent := parents[one.job.id])}
    return len(await connection.fetch(WAKE, list(waiting))) if waiting else 0


async def _fetch(
    connection: DatabaseConnection, statement: str, rows: Iterable[Row]
) -> list[Record]:
    columns = list(zip(*rows, strict=True))
    return await connection.fetch(statement, *columns) if columns else []


async def _find_earlier_charges(
    connection: DatabaseConnection, transitions: Sequence[Transition]
) -> list[UsageCharge]:
    """Find what was committed and perhaps not published: word of those ends has come again."""
    completed = [
        one.job.id
        for one in transitions
        if one.job.status is JobStatus.COMPLETED and one.job.billable
    ]
    if not completed:
        return []
    return [read_charge(row) for row in await connection.fetch(sql.FIND_CHARGES, completed)]


def _group(rows: Sequence[Record]) -> Mapping[UUID, Mapping[UUID, Run]]:
    runs: dict[UUID, dict[UUID, Run]] = defaultdict(dict)
    for row in rows:
        runs[row["job_id"]][row["fence"]] = read_run(row)
    return runs


def _progress(transition: Transition) -> Progress | None:
    known = transition.after.progress
    return None if known is None else Progress.model_validate(known)
