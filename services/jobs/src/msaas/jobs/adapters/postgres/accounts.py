"""Subjects and their counters: read as values, and created for users who have none."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson
from asyncpg import Record

from msaas.contracts import Plan
from msaas.jobs.domain.periods import Period, open_period
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter
from msaas.postgres import DatabaseConnection

SUBJECT: Final = (
    "subject_id, user_id, plan, plan_version, next_plan, terms, overrides, period_start,"
    " period_end, paid_until, erasing_at"
)
COUNTER: Final = "subject_id, plan, period_start, period_end, jobs_limit, jobs_used, jobs_reserved"

CREATE_SUBJECTS: Final = """
INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
ON CONFLICT (user_id) DO NOTHING
"""

FIND_MISSING: Final = """
SELECT user_id, now() FROM unnest($1::uuid[]) AS given (user_id)
WHERE NOT EXISTS (SELECT FROM jobs.subjects s WHERE s.user_id = given.user_id)
ORDER BY user_id
"""


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


async def create_missing_accounts(
    connection: DatabaseConnection, plans: Mapping[UUID, Plan]
) -> None:
    """Create subjects for users who have none, in the order of users to avoid deadlocks."""
    if not plans:
        return
    if rows := await connection.fetch(FIND_MISSING, list(plans)):
        missing = [row["user_id"] for row in rows]
        await _create(connection, missing, plans, rows[0]["now"])


async def _create(
    connection: DatabaseConnection, users: Sequence[UUID], plans: Mapping[UUID, Plan], now: datetime
) -> None:
    """Leave out users who do not exist: bisect, since the service may not read identity.users."""
    periods = [open_period(plans[user], now) for user in users]
    await connection.execute("SAVEPOINT missing_accounts")
    try:
        await connection.execute(
            CREATE_SUBJECTS,
            [
                uuid4() for _ in users
            ],  # random: a time-ordered id would reveal when the user signed up
            users,
            [plans[user] for user in users],
            [period.start for period in periods],
            [period.end for period in periods],
        )
    except asyncpg.ForeignKeyViolationError:
        await connection.execute("ROLLBACK TO missing_accounts")
        if len(users) > 1:
            middle = len(users) // 2
            await _create(connection, users[:middle], plans, now)
            await _create(connection, users[middle:], plans, now)
