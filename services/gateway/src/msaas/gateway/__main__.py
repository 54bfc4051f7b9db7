"""`python -m msaas.gateway serve | migrate | retention`."""

import argparse
import os
import sys
from collections.abc import Sequence

from msaas.contracts import PROCESSES
from msaas.flags import read_defaults
from msaas.gateway.bootstrap import SERVICE, build_retention, serve_gateway
from msaas.gateway.settings import RetentionSettings, Settings
from msaas.kernel import MsaasError
from msaas.postgres.retention_command import enforce_retention
from msaas.settings import load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.gateway", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="the HTTP API")
    kinds.add_parser("migrate", help="upgrade the schema and set passwords: once, before a release")
    retention = kinds.add_parser("retention", help="old data: count what is due, or remove it")
    retention.add_argument("act", choices=("plan", "run"))
    given = parser.parse_args(arguments)
    try:
        if given.kind == "serve":
            run(serve_gateway(load_settings(Settings, os.environ), read_defaults(os.environ)))
        elif given.kind == "migrate":
            sys.stdout.write(f"{_migrate()}\n")
        else:
            settings = load_settings(RetentionSettings, os.environ)
            is_dry_run = given.act == "plan"
            run(enforce_retention(settings, SERVICE, build_retention, is_dry_run=is_dry_run))
    except MsaasError as refused:
        parser.exit(2, f"{refused}\n")


def _migrate() -> str:
    """Import Alembic only here: it would slow the start of every process."""
    from msaas.postgres.service_migrations import migrate_service

    return migrate_service(__file__, PROCESSES["gateway"].database_logins, os.environ)


if __name__ == "__main__":
    main()
