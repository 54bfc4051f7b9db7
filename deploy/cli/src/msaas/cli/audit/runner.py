"""Runs the checks on one snapshot of the database, in a read-only transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from msaas.cli.audit.checks import CHECKS, AuditCheck

# Valid rows form one group; rows of one subject and period with the same problem form another.
_GROUP_PROBLEMS = """
WITH examined AS ({query})
SELECT
  problem, CASE WHEN problem IS NOT NULL THEN subject_id END AS subject_id,
  CASE WHEN problem IS NOT NULL THEN period_start END AS period_start, count(*) AS count,
  array_agg(job_id ORDER BY job_id) FILTER (WHERE problem IS NOT NULL AND job_id IS NOT NULL)
    AS job_ids
FROM examined GROUP BY 1, 2, 3 ORDER BY 2, 3, 1
"""

# Row-level security hides rows silently; the policies of these roles show every row.
_CAN_READ_ALL_ROWS = """
SELECT rolsuper OR rolbypassrls OR EXISTS (
  SELECT FROM pg_roles reader WHERE reader.rolname IN ('svc_jobs', 'msaas_backfill')
    AND pg_has_role(reader.oid, 'USAGE')
) FROM pg_roles WHERE rolname = current_user
"""


class RowsHidden(Exception):
    """The login does not see every row, so an audit would be incomplete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What is wrong with one subject and period; it holds ids and no personal data."""

    subject_id: UUID | None
    period_start: datetime | None
    problem: str
    job_ids: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class AuditResult:
    check: AuditCheck
    count: int
    violations: Sequence[Violation]


async def audit(connection: asyncpg.Connection) -> Sequence[AuditResult]:
    """Run every check on one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if not await connection.fetchval(_CAN_READ_ALL_ROWS):
            raise RowsHidden("This login does not see every row: use svc_jobs or msaas_backfill.")
        return [await _run_check(connection, check) for check in CHECKS]


async def audit_url(url: str) -> Sequence[AuditResult]:
    connection = await asyncpg.connect(url)
    try:
        return await audit(connection)
    finally:
        await connection.close()


async def _run_check(connection: asyncpg.Connection, check: AuditCheck) -> AuditResult:
    groups = await connection.fetch(_GROUP_PROBLEMS.format(query=check.query))
    violations = [
        Violation(
            subject_id=group["subject_id"],
            period_start=group["period_start"],
            problem=group["problem"],
            job_ids=group["job_ids"] or (),
        )
        for group in groups
        if group["problem"] is not None
    ]
    return AuditResult(check, sum(group["count"] for group in groups), violations)
