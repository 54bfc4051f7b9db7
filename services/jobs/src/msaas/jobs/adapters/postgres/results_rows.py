"""Rows of jobs and runs as values of the domain, and transitions as rows to write."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import JobStatus, Plan
from msaas.jobs.adapters.postgres.rows import Row
from msaas.jobs.domain.charging import LedgerHead, UsageCharge
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.settlement import Transition


def read_job(row: Record) -> Job:
    return Job(
        id=row["id"],
        user_id=row["user_id"],
        task_type=row["task_type"],
        status=JobStatus(row["status"]),
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        losses=row["losses"],
        releases=row["releases"],
        run_at=row["run_at"],
        deadline_at=row["deadline_at"],
        created_at=row["created_at"],
        dispatched_at=row["dispatched_at"],
        entry_id=row["entry_id"],
        fence=row["fence"],
        lease_until=row["lease_until"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        cancel_requested_at=row["cancel_requested_at"],
        last_error=row["last_error"],
        failure_reason=row["failure_reason"],
        billable=row["billable"],
        usage_period=row["usage_period"],
        reserved=row["reserved"],
        waiting_for=None if row["waiting_for"] is None else tuple(row["waiting_for"]),
        wake_at=row["wake_at"],
    )


def read_run(row: Record) -> Run:
    return Run(
        fence=row["fence"],
        worker=row["worker"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=row["outcome"],
        reason=row["reason"],
        error=row["error"],
    )


def read_ledger_head(row: Record, earlier_plans: Mapping[datetime, Plan]) -> LedgerHead:
    return LedgerHead(
        subject_id=row["subject_id"],
        plan=Plan(row["plan"]),
        period_start=row["period_start"],
        last_seq=row["last_seq"],
        head=row["head"].hex(),
        earlier_plans=earlier_plans,
    )


def state_row(transition: Transition) -> Row:
    job, success = transition.after, transition.success
    return (
        job.id,
        job.status,
        job.attempts,
        job.losses,
        job.run_at,
        job.dispatched_at,
        job.entry_id,
        job.fence,
        job.lease_until,
        job.started_at,
        job.finished_at,
        _json(job.progress),
        job.last_error,
        job.failure_reason,
        job.reserved,
        success.result if success else None,
        success.result_ref if success else None,
        _array(job.waiting_for),
        job.wake_at,
        transition.decided_by_fence,
        job.releases,
    )


def lease_row(transition: Transition) -> Row:
    return transition.job.id, transition.after.lease_until, _json(transition.after.progress)


def run_rows(transition: Transition) -> Iterable[Row]:
    for run in transition.runs:
        yield (
            transition.job.id,
            run.fence,
            run.worker,
            run.started_at,
            run.finished_at,
            run.outcome,
            run.reason,
            run.error,
            _json(run.timings_ms),
            run.network,
        )


def charge_row(charge: UsageCharge) -> Row:
    return (
        charge.subject_id,
        charge.seq,
        charge.user_id,
        charge.quantity,
        charge.job_id,
        charge.period_start,
        charge.occurred_at,
        bytes.fromhex(charge.prev_hash),
        bytes.fromhex(charge.hash),
        charge.plan,
    )


def counter_rows(
    transitions: Sequence[Transition], charges: Sequence[UsageCharge]
) -> Sequence[Row]:
    """Sum up by user and period: the charges, and the reservations to release."""
    used: Counter[Row] = Counter((charge.user_id, charge.period_start) for charge in charges)
    released: Counter[Row] = Counter(
        (transition.job.user_id, transition.job.usage_period)
        for transition in transitions
        if transition.ends and transition.job.reserved
    )
    return [(*period, used[period], released[period]) for period in used.keys() | released.keys()]


def _array(ids: Iterable[UUID] | None) -> str | None:
    """Write the array as text: the arrays of an array of arrays would need one length."""
    return None if ids is None else f"{{{','.join(map(str, ids))}}}"


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else orjson.dumps(dict(value)).decode()
