"""What an audit has found, said for a person: a table, and each violation by name."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msaas.cli.audit.examine import Examined, Violation

SOUND: Final = "nothing lost, nothing twice"
MOST_IDS: Final = 20


def is_broken(examined: Iterable[Examined]) -> bool:
    return any(one.violations for one in examined)


def describe(examined: Sequence[Examined]) -> Iterator[str]:
    for one in examined:
        mark = "✗" if one.violations else "✓"
        found = f"{len(one.violations)} violations" if one.violations else ""
        looked_at = f"{one.count:>9,} {one.check.things:<15}"
        yield f"{mark} {one.check.claim:<44}{looked_at}{found}".rstrip()
    for one in examined:
        yield from (f"  {one.check.claim}: {name_violation(each)}" for each in one.violations)
    yield "✗ the books are not in order" if is_broken(examined) else f"✓ {SOUND}"


def name_violation(violation: Violation) -> str:
    period = violation.period_start.date().isoformat() if violation.period_start else "-"
    shown = " ".join(map(str, violation.job_ids[:MOST_IDS]))
    more = len(violation.job_ids) - MOST_IDS
    jobs = f", jobs {shown}" if shown else ""
    tail = f" and {more} more" if more > 0 else ""
    return (
        f"subject {violation.subject_id or '-'}, period {period}: {violation.problem}{jobs}{tail}"
    )
