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
    beat_row,
    counter_rows,
    fact_row,
    move_row,
    read_job,
    read_run,
    read_subject,
    run_rows,
)
from msaas.jobs.adapters.postgres.snapshot_rows import read_snapshot
from msaas.jobs.adapters.postgres.usage_rows import read_usage
from msaas.jobs.adapters.postgres.waking_sql import WAKE
from msaas.jobs.application.results_ports import Present, Settled, Settlement
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.charging import UsageFact
from msaas.jobs.domain.job import Run
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settling import Verdict
from msaas.kernel import RetryPolicy
from msaas.postgres import Connection, Contended, Database

AGAIN: Final = RetryPolicy(base=0.05, cap=0.5, attempts=4)


class PostgresResults:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(
        self, reports: Mapping[RunKey, RunReport], decide: Callable[[Present], Settlement]
    ) -> Settled:
        """Try again where others hold the rows; only then may the batch be split."""

        async def attempt() -> Settled:
            async with self._database.transaction() as connection:
                return await _settle(connection, reports, decide)

        return await AGAIN.run(attempt, on=(Contended,))


async def _settle(
    connection: Connection,
    reports: Mapping[RunKey, RunReport],
    decide: Callable[[Present], Settlement],
) -> Settled:
    ending = {run.job_id for run, report in reports.items() if report.is_end}
    subjects = await connection.fetch(sql.LOCK_SUBJECTS, list(ending)) if ending else []
    ids = list({run.job_id for run in reports})
    jobs = await connection.fetch(sql.LOCK_JOBS, ids, list(ending))
    runs = await connection.fetch(sql.FIND_RUNS, ids)
    earlier = await _find_earlier_plans(connection, subjects, jobs)
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    settlement = decide(
        Present(
            now=now,
            jobs={row["id"]: read_job(row) for row in jobs},
            runs=_group(runs),
            subjects={
                row["user_id"]: read_subject(row, earlier[row["user_id"]]) for row in subjects
            },
        )
    )
    changed = await _write(connection, settlement)
    parents = {row["id"]: row["parent_job_id"] for row in jobs}
    woken = await _wake(connection, settlement.verdicts, parents)
    return Settled(
        verdicts=settlement.verdicts,
        snapshots={row["id"]: read_snapshot(row) for row in jobs} | changed,
        woken=woken,
        facts=[*settlement.facts, *await _find_earlier_charges(connection, settlement.verdicts)],
    )


async def _find_earlier_plans(
    connection: Connection, subjects: Sequence[Record], jobs: Sequence[Record]
) -> Mapping[UUID, Mapping[datetime, Plan]]:
    """Find by which plan a job counts whose period is no longer its user's present one."""
    present = {row["user_id"]: row["period_start"] for row in subjects}
    places = {
        (row["user_id"], row["usage_period"])
        for row in jobs
        if row["reserved"]
        and present.get(row["user_id"], row["usage_period"]) != row["usage_period"]
    }
    plans: dict[UUID, dict[datetime, Plan]] = defaultdict(dict)
    for row in await _fetch(connection, sql.FIND_EARLIER_PLANS, places):
        plans[row["user_id"]][row["period_start"]] = Plan(row["plan"])
    return plans


async def _write(connection: Connection, settlement: Settlement) -> dict[UUID, JobSnapshot]:
    verdicts = settlement.verdicts
    moved = [one for one in verdicts if one.moves]
    beaten = [one for one in verdicts if not one.moves and one.after != one.job]
    rows = [
        *await _fetch(connection, sql.MOVE, map(move_row, moved)),
        *await _fetch(connection, sql.BEAT, map(beat_row, beaten)),
    ]
    await _fetch(connection, sql.NOTE_RUNS, [row for one in verdicts for row in run_rows(one)])
    await _fetch(connection, sql.CHARGE, map(fact_row, settlement.facts))
    await _fetch(connection, sql.SETTLE, counter_rows(verdicts, settlement.facts))
    progress = {one.job.id: _progress(one) for one in beaten}
    return {row["id"]: read_snapshot(row, progress.get(row["id"])) for row in rows}


async def _wake(
    connection: Connection, verdicts: Sequence[Verdict], parents: Mapping[UUID, UUID | None]
) -> int:
    """Wake who waited for a job that ended, and who waits for none that has not."""
    waiting = {one.job.id for one in verdicts if one.waits}
    waiting |= {parent for one in verdicts if one.ends and (parent := parents[one.job.id])}
    return len(await connection.fetch(WAKE, list(waiting))) if waiting else 0


async def _fetch(connection: Connection, statement: str, rows: Iterable[Row]) -> list[Record]:
    columns = list(zip(*rows, strict=True))
    return await connection.fetch(statement, *columns) if columns else []


async def _find_earlier_charges(
    connection: Connection, verdicts: Sequence[Verdict]
) -> list[UsageFact]:
    """Find what was committed and perhaps not published: word of those ends has come again."""
    again = [
        one.job.id for one in verdicts if one.job.status is JobStatus.COMPLETED and one.job.billable
    ]
    if not again:
        return []
    return [read_usage(row) for row in await connection.fetch(sql.FIND_CHARGES, again)]


def _group(rows: Sequence[Record]) -> Mapping[UUID, Mapping[UUID, Run]]:
    runs: dict[UUID, dict[UUID, Run]] = defaultdict(dict)
    for row in rows:
        runs[row["job_id"]][row["fence"]] = read_run(row)
    return runs


def _progress(verdict: Verdict) -> Progress | None:
    known = verdict.after.progress
    return None if known is None else Progress.model_validate(known)
