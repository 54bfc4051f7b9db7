"""`./msaas audit`: a table of the checks, the violations, and an exit code."""

import asyncio
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import asyncpg

from msaas.cli.audit.customer_audit import CustomerAudit, audit_customers, format_customers
from msaas.cli.audit.runner import AuditResult, RowsHidden, Violation, audit_url
from msaas.cli.audit.stripe_sums import find_stripe
from msaas.embedded import LocalError
from msaas.local.running_fleet import get_database_url

CONSISTENT: Final = "nothing lost, nothing twice"
MAX_IDS: Final = 20
_EXIT_OK, _EXIT_VIOLATIONS, _EXIT_ERROR = 0, 1, 2


def run(argv: list[str]) -> int:
    ArgumentParser("msaas audit", description=__doc__).parse_args(argv)
    try:
        results, customers = asyncio.run(_audit(get_database_url(os.environ)))
    except (LocalError, RowsHidden, OSError, asyncpg.PostgresError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return _EXIT_ERROR
    print(*format_customers(customers), *format_results(results), sep="\n")
    has_found = has_violations(results) or customers.has_problems
    return _EXIT_VIOLATIONS if has_found else _EXIT_OK


async def _audit(url: str) -> tuple[Sequence[AuditResult], CustomerAudit]:
    return await audit_url(url), await audit_customers(url, find_stripe(os.environ))


def has_violations(results: Iterable[AuditResult]) -> bool:
    return any(result.violations for result in results)


def format_results(results: Sequence[AuditResult]) -> Iterator[str]:
    for result in results:
        mark = "✗" if result.violations else "✓"
        found = f"{len(result.violations)} violations" if result.violations else ""
        examined = f"{result.count:>9,} {result.check.unit:<15}"
        yield f"{mark} {result.check.invariant:<46}{examined}{found}".rstrip()
    for result in results:
        for violation in result.violations:
            yield f"  {result.check.invariant}: {format_violation(violation)}"
    yield "✗ the ledger is inconsistent" if has_violations(results) else f"✓ {CONSISTENT}"


def format_violation(violation: Violation) -> str:
    period = violation.period_start.date().isoformat() if violation.period_start else "-"
    shown = " ".join(map(str, violation.job_ids[:MAX_IDS]))
    more = len(violation.job_ids) - MAX_IDS
    jobs = f", jobs {shown}" if shown else ""
    tail = f" and {more} more" if more > 0 else ""
    return (
        f"subject {violation.subject_id or '-'}, period {period}: {violation.problem}{jobs}{tail}"
    )
