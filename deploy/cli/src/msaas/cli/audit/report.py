"""What an audit has found, said for a person: a table, and each violation by name."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msaas.cli.audit.runner import AuditResult, Violation

CONSISTENT: Final = "nothing lost, nothing twice"
MAX_IDS: Final = 20


def has_violations(results: Iterable[AuditResult]) -> bool:
    return any(one.violations for one in results)


def format_results(results: Sequence[AuditResult]) -> Iterator[str]:
    for one in results:
        mark = "✗" if one.violations else "✓"
        found = f"{len(one.violations)} violations" if one.violations else ""
        looked_at = f"{one.count:>9,} {one.check.unit:<15}"
        yield f"{mark} {one.check.invariant:<44}{looked_at}{found}".rstrip()
    for one in results:
        yield from (f"  {one.check.invariant}: {format_violation(each)}" for each in one.violations)
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
