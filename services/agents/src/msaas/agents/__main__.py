"""`python -m msaas.agents serve | migrate`."""

import argparse
import os
import sys
from collections.abc import Sequence

from msaas.contracts import PROCESSES
from msaas.kernel import MsaasError
from msaas.settings import load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.agents", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="runs of workflows, the ends of child jobs, answers of persons")
    kinds.add_parser("migrate", help="upgrade the schema and set passwords: once, before a release")
    given = parser.parse_args(arguments)
    try:
        if given.kind == "migrate":
            sys.stdout.write(f"{_migrate()}\n")
        else:
            run(_serve())
    except MsaasError as refused:
        parser.exit(2, f"{refused}\n")


def _migrate() -> str:
    """Import Alembic only here: it would slow the start of every process."""
    from msaas.postgres.service_migrations import migrate_service

    return migrate_service(__file__, PROCESSES["agents"].database_logins, os.environ)


async def _serve() -> None:
    from msaas.agents.bootstrap import serve
    from msaas.agents.settings import AgentSettings
    from msaas.flags import read_defaults

    await serve(load_settings(AgentSettings, os.environ), read_defaults(os.environ))


if __name__ == "__main__":
    main()
