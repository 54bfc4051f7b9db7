"""`python -m msaas.billing serve | cron | migrate | retention | setup | reconcile | explain`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msaas.contracts import PROCESSES
from msaas.kernel import MsaasError
from msaas.settings import load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.billing", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="webhooks, commands, subscriptions")
    kinds.add_parser("cron", help="periodic tasks; any number of replicas")
    kinds.add_parser("migrate", help="upgrade the schema and set passwords: once, before a release")
    retention = kinds.add_parser("retention", help="old data: count what is due, or remove it")
    retention.add_argument("act", choices=("plan", "run"))
    setup = kinds.add_parser("setup", help="what is sold: make or verify it at Stripe")
    setup.add_argument("--webhook-url", required=True, help="where Stripe sends events to")
    setup.add_argument("--secret-file", type=Path, help="a file for the endpoint's new secret")
    setup.add_argument("--dry-run", action="store_true", help="print the diff, and change nothing")
    kinds.add_parser("reconcile", help="compare every customer's usage with Stripe now")
    explained = kinds.add_parser("explain", help="what an invoice charges, and the usage behind it")
    explained.add_argument("invoice", help="the invoice's id at Stripe")
    given = parser.parse_args(arguments)
    commands = {"setup": _set_up, "reconcile": _reconcile, "explain": _explain}
    command = commands.get(given.kind)
    try:
        if given.kind == "migrate":
            sys.stdout.write(f"{_migrate()}\n")
            return
        sys.exit(asyncio.run(command(given)) if command else run(_do(given)))
    except MsaasError as refused:
        parser.exit(2, f"{refused}\n")


def _migrate() -> str:
    """Import Alembic only here: it would slow the start of every process."""
    from msaas.postgres.service_migrations import migrate_service

    return migrate_service(__file__, PROCESSES["billing"].database_logins, os.environ)


async def _do(given: argparse.Namespace) -> None:
    from msaas.billing.bootstrap import serve, serve_cron
    from msaas.billing.settings import CronSettings, Settings

    match given.kind:
        case "serve":
            await serve(load_settings(Settings, os.environ))
        case "cron":
            await serve_cron(load_settings(CronSettings, os.environ))
        case _:
            await _enforce_retention(is_dry_run=given.act == "plan")


async def _enforce_retention(*, is_dry_run: bool) -> None:
    from msaas.billing.bootstrap import SERVICE, build_retention
    from msaas.billing.settings import RetentionSettings
    from msaas.postgres.retention_command import enforce_retention

    settings = load_settings(RetentionSettings, os.environ)
    await enforce_retention(settings, SERVICE, build_retention, is_dry_run=is_dry_run)


async def _set_up(given: argparse.Namespace) -> int:
    from msaas.billing.set_up import set_up
    from msaas.billing.settings import SetUpSettings

    return await set_up(
        load_settings(SetUpSettings, os.environ),
        given.webhook_url,
        secret_file=given.secret_file,
        is_dry_run=given.dry_run,
    )


async def _reconcile(given: argparse.Namespace) -> int:
    from msaas.billing.operate import reconcile
    from msaas.billing.settings import SetUpSettings

    del given
    return await reconcile(load_settings(SetUpSettings, os.environ))


async def _explain(given: argparse.Namespace) -> int:
    from msaas.billing.operate import explain
    from msaas.billing.settings import SetUpSettings

    return await explain(load_settings(SetUpSettings, os.environ), given.invoice)


if __name__ == "__main__":
    main()
