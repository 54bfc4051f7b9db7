"""`./msaas audit`: the checks as a table, each violation by name, and an exit code that says so."""

import asyncio
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence

import asyncpg

from msaas.cli.audit.examine import Examined, RowsHidden, Violation, audit
from msaas.local.errors import LocalError
from msaas.local.running import get_database_url

SOUND = "nothing lost, nothing twice"
MOST_IDS = 20
_HELD, _BROKEN, _NOT_LOOKED = 0, 1, 2


def run(argv: list[str]) -> int:
    ArgumentParser("msaas audit", description=__doc__).parse_args(argv)
    try:
        examined = asyncio.run(look(get_database_url(os.environ)))
    except (LocalError, RowsHidden, OSError, asyncpg.PostgresError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return _NOT_LOOKED
    print(*describe(examined), sep="\n")
    return _BROKEN if is_broken(examined) else _HELD


async def look(url: str) -> Sequence[Examined]:
    connection = await asyncpg.connect(url)
    try:
        return await audit(connection)
    finally:
        await connection.close()


def is_broken(examined: Iterable[Examined]) -> bool:
    return any(one.violations for one in examined)


def describe(examined: Sequence[Examined]) -> Iterator[str]:
    for one in examined:
        mark = "✗" if one.violations else "✓"
        found = f"{len(one.violations)} violations" if one.violations else ""
        looked_at = f"{one.count:>9,} {one.check.things:<15}"
        yield f"{mark} {one.check.claim:<44}{looked_at}{found}".rstrip()
    for one in examined:
        yield from (f"  {one.check.claim}: {_name(each)}" for each in one.violations)
    yield "✗ the books are not in order" if is_broken(examined) else f"✓ {SOUND}"


def _name(violation: Violation) -> str:
    period = violation.period_start.date().isoformat() if violation.period_start else "-"
    shown = " ".join(map(str, violation.job_ids[:MOST_IDS]))
    more = len(violation.job_ids) - MOST_IDS
    jobs = f", jobs {shown}" if shown else ""
    tail = f" and {more} more" if more > 0 else ""
    return (
        f"subject {violation.subject_id or '-'}, period {period}: {violation.problem}{jobs}{tail}"
    )
