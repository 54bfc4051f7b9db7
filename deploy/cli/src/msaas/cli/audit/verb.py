"""`./msaas audit`: the checks as a table, each violation by name, and an exit code that says so."""

import asyncio
import os
import sys
from argparse import ArgumentParser

import asyncpg

from msaas.cli.audit.examine import RowsHidden, audit_url
from msaas.cli.audit.words import describe, is_broken
from msaas.local.errors import LocalError
from msaas.local.running import get_database_url

_HELD, _BROKEN, _NOT_LOOKED = 0, 1, 2


def run(argv: list[str]) -> int:
    ArgumentParser("msaas audit", description=__doc__).parse_args(argv)
    try:
        examined = asyncio.run(audit_url(get_database_url(os.environ)))
    except (LocalError, RowsHidden, OSError, asyncpg.PostgresError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return _NOT_LOOKED
    print(*describe(examined), sep="\n")
    return _BROKEN if is_broken(examined) else _HELD
