"""`./msaas audit`: a table of the checks, the violations, and an exit code."""

import asyncio
import os
import sys
from argparse import ArgumentParser

import asyncpg

from msaas.cli.audit.report import format_results, has_violations
from msaas.cli.audit.runner import RowsHidden, audit_url
from msaas.embedded import LocalError
from msaas.local.running_fleet import get_database_url

_EXIT_OK, _EXIT_VIOLATIONS, _EXIT_ERROR = 0, 1, 2


def run(argv: list[str]) -> int:
    ArgumentParser("msaas audit", description=__doc__).parse_args(argv)
    try:
        results = asyncio.run(audit_url(get_database_url(os.environ)))
    except (LocalError, RowsHidden, OSError, asyncpg.PostgresError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return _EXIT_ERROR
    print(*format_results(results), sep="\n")
    return _EXIT_VIOLATIONS if has_violations(results) else _EXIT_OK
