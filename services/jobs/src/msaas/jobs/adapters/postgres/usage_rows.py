"""A row of jobs.usage_events as the fact that it is."""

from asyncpg import Record

from msaas.contracts import Plan
from msaas.jobs.domain.charging import UsageCharge


def read_charge(row: Record) -> UsageCharge:
    return UsageCharge(
        subject_id=row["subject_id"],
        user_id=row["user_id"],
        seq=row["seq"],
        job_id=row["job_id"],
        quantity=row["quantity"],
        occurred_at=row["occurred_at"],
        period_start=row["period_start"],
        plan=Plan(row["plan"]),
        prev_hash=row["prev_hash"].hex(),
        hash=row["hash"].hex(),
    )
