"""`python -m msaas.agents serve | migrate | retention`."""

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
    retention = kinds.add_parser("retention", help="old data: count what is due, or remove it")
    retention.add_argument("act", choices=("plan", "run"))
    given = parser.parse_args(arguments)
    try:
        if given.kind == "migrate":
            sys.stdout.write(f"{_migrate()}\n")
        else:
            run(_do(given))
    except MsaasError as refused:
        parser.exit(2, f"{refused}\n")


def _migrate() -> str:
    """Import Alembic only here: it would slow the start of every process."""
    from msaas.postgres.service_migrations import migrate_service

    return migrate_service(__file__, PROCESSES["agents"].database_logins, os.environ)


async def _do(given: argparse.Namespace) -> None:
    if given.kind == "serve":
        await _serve()
    else:
        await _enforce_retention(is_dry_run=given.act == "plan")


async def _serve() -> None:
    from msaas.agents.bootstrap import serve
    from msaas.agents.settings import AgentSettings
    from msaas.flags import read_defaults

    await serve(load_settings(AgentSettings, os.environ), read_defaults(os.environ))


async def _enforce_retention(*, is_dry_run: bool) -> None:
    from msaas.agents.bootstrap import SERVICE, build_retention
    from msaas.agents.settings import RetentionSettings
    from msaas.postgres.retention_command import enforce_retention

    settings = load_settings(RetentionSettings, os.environ)
    await enforce_retention(settings, SERVICE, build_retention, is_dry_run=is_dry_run)


if __name__ == "__main__":
    main()
