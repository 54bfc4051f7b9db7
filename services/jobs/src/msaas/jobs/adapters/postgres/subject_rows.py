"""Rows of subjects and of their counters as the domain sees them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import Plan
from msaas.jobs.domain.periods import Period
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter

SUBJECT: Final = (
    "subject_id, user_id, plan, plan_version, next_plan, terms, overrides, period_start,"
    " period_end, paid_until, erasing_at"
)
COUNTER: Final = "subject_id, plan, period_start, period_end, jobs_limit, jobs_used, jobs_reserved"


def read_subject(row: Record) -> BillingSubject:
    next_plan = row["next_plan"]
    return BillingSubject(
        subject_id=row["subject_id"],
        user_id=row["user_id"],
        plan=Plan(row["plan"]),
        plan_version=row["plan_version"],
        next_plan=None if next_plan is None else Plan(next_plan),
        terms=orjson.loads(row["terms"]),
        overrides=orjson.loads(row["overrides"]),
        period=Period(row["period_start"], row["period_end"]),
        paid_until=row["paid_until"],
        is_erasing=row["erasing_at"] is not None,
    )


def read_counters(rows: Iterable[Record]) -> Mapping[UUID, list[UsageCounter]]:
    """Group by subject, in the order of the rows."""
    counters: dict[UUID, list[UsageCounter]] = defaultdict(list)
    for row in rows:
        counters[row["subject_id"]].append(_read_counter(row))
    return counters


def _read_counter(row: Record) -> UsageCounter:
    quota = Quota(limit=row["jobs_limit"], used=row["jobs_used"], reserved=row["jobs_reserved"])
    return UsageCounter(Plan(row["plan"]), Period(row["period_start"], row["period_end"]), quota)
