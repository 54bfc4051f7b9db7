"""The transaction of results: subjects and jobs locked in order, then one statement a table."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from msaas.contracts import JobStatus, Plan, Progress
from msaas.jobs.adapters.postgres import results_sql as sql
from msaas.jobs.adapters.postgres.children import find_ended
from msaas.jobs.adapters.postgres.results_rows import (
    charge_row,
    counter_rows,
    lease_row,
    read_job,
    read_ledger_head,
    read_run,
    run_rows,
    state_row,
)
from msaas.jobs.adapters.postgres.rows import WAKE, fetch_rows, read_charge, read_snapshot
from msaas.jobs.application.child_outcomes import WORKFLOWS, EndedChild
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.application.results_ports import LockedState, Settlement, SettlementResult
from msaas.jobs.domain.charging import UsageCharge
from msaas.jobs.domain.job import Run
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settlement import Transition
from msaas.postgres import DatabaseConnection


class PostgresResults:
    """`once`: the tasks that any report of a start may end."""

    def __init__(self, connection: DatabaseConnection, once: Collection[str] = ()) -> None:
        self._connection = connection
        self._once = list(once)
        self._jobs: Sequence[Record] = ()

    async def lock(self, reports: Mapping[RunKey, RunReport]) -> LockedState:
        fetch = self._connection.fetch
        ending = list({run.job_id for run, report in reports.items() if report.is_end})
        starting = list({run.job_id for run, report in reports.items() if report.started_at})
        may_end = (ending, starting if self._once else [], self._once)
        subjects = await fetch(sql.LOCK_SUBJECTS, *may_end) if any(may_end[:2]) else []
        ids = list({run.job_id for run in reports})
        self._jobs = await fetch(sql.LOCK_JOBS, ids, *may_end)
        runs = await fetch(sql.FIND_RUNS, ids)
        earlier = await self._find_earlier_plans(subjects)
        now: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        return LockedState(
            now=now,
            jobs={row["id"]: read_job(row) for row in self._jobs},
            runs=_group(runs),
            ledger_heads={
                row["user_id"]: read_ledger_head(row, earlier[row["user_id"]]) for row in subjects
            },
        )

    async def store(self, settlement: Settlement) -> SettlementResult:
        changed = await self._write(settlement)
        woken_count = await self._wake(settlement.transitions)
        earlier = await self._find_earlier_charges(settlement.transitions)
        return SettlementResult(
            snapshots={row["id"]: read_snapshot(row) for row in self._jobs} | changed,
            woken_count=woken_count,
            charges=[*settlement.charges, *earlier],
            ended_children=await self._find_ended_children(settlement.transitions),
        )

    async def _find_earlier_plans(
        self, subjects: Sequence[Record]
    ) -> Mapping[UUID, Mapping[datetime, Plan]]:
        """Find the plans of jobs whose period is no longer their user's current one."""
        current = {row["user_id"]: row["period_start"] for row in subjects}
        periods = {
            (row["user_id"], row["usage_period"])
            for row in self._jobs
            if row["reserved"]
            and current.get(row["user_id"], row["usage_period"]) != row["usage_period"]
        }
        plans: dict[UUID, dict[datetime, Plan]] = defaultdict(dict)
        for row in await fetch_rows(self._connection, sql.FIND_EARLIER_PLANS, periods):
            plans[row["user_id"]][row["period_start"]] = Plan(row["plan"])
        return plans

    async def _write(self, settlement: Settlement) -> dict[UUID, JobSnapshot]:
        connection, transitions = self._connection, settlement.transitions
        changed = [transition for transition in transitions if transition.changes_state]
        renewed = [
            transition
            for transition in transitions
            if not transition.changes_state and transition.after != transition.job
        ]
        rows = await fetch_rows(connection, sql.UPDATE_STATES, map(state_row, changed))
        rows += await fetch_rows(connection, sql.RENEW_LEASES, map(lease_row, renewed))
        runs = (row for transition in transitions for row in run_rows(transition))
        await fetch_rows(connection, sql.UPDATE_RUNS, runs)
        await fetch_rows(connection, sql.INSERT_CHARGES, map(charge_row, settlement.charges))
        counters = counter_rows(transitions, settlement.charges)
        await fetch_rows(connection, sql.SETTLE_COUNTERS, counters)
        progress = {transition.job.id: _read_progress(transition) for transition in renewed}
        return {row["id"]: read_snapshot(row, progress.get(row["id"])) for row in rows}

    async def _wake(self, transitions: Sequence[Transition]) -> int:
        """Wake the jobs that wait for no unfinished job any more."""
        parents = {row["id"]: row["parent_job_id"] for row in self._jobs}
        waiting = {transition.job.id for transition in transitions if transition.starts_waiting}
        waiting |= {parents[transition.job.id] for transition in transitions if transition.ends}
        waiting.discard(None)
        return len(await self._connection.fetch(WAKE, list(waiting), [])) if waiting else 0

    async def _find_ended_children(self, transitions: Sequence[Transition]) -> list[EndedChild]:
        parents = {row["id"]: row["parent_job_id"] for row in self._jobs}
        ended = [
            transition.job.id
            for transition in transitions
            if transition.after.is_finished
            and (parents[transition.job.id] or transition.job.task_type in WORKFLOWS)
        ]
        return await find_ended(self._connection, ended)

    async def _find_earlier_charges(self, transitions: Sequence[Transition]) -> list[UsageCharge]:
        """Find charges that were committed and perhaps not published: their reports came again."""
        completed = [
            (transition.job.id,)
            for transition in transitions
            if transition.job.status is JobStatus.COMPLETED and transition.job.billable
        ]
        rows = await fetch_rows(self._connection, sql.FIND_CHARGES, completed)
        return [read_charge(row) for row in rows]


def _group(rows: Sequence[Record]) -> Mapping[UUID, Mapping[UUID, Run]]:
    runs: dict[UUID, dict[UUID, Run]] = defaultdict(dict)
    for row in rows:
        runs[row["job_id"]][row["fence"]] = read_run(row)
    return runs


def _read_progress(transition: Transition) -> Progress | None:
    progress = transition.after.progress
    return None if progress is None else Progress.model_validate(progress)
