"""`python -m msaas.billing serve | cron | setup`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.billing", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="webhooks, commands, subscriptions")
    kinds.add_parser("cron", help="periodic tasks; any number of replicas")
    setup = kinds.add_parser("setup", help="what is sold: make or verify it at Stripe")
    setup.add_argument("--webhook-url", required=True, help="where Stripe sends events to")
    setup.add_argument("--secret-file", type=Path, help="a file for the endpoint's new secret")
    setup.add_argument("--dry-run", action="store_true", help="print the diff, and change nothing")
    given = parser.parse_args(arguments)
    try:
        sys.exit(asyncio.run(_set_up(given)) if given.kind == "setup" else run(_do(given)))
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


async def _do(given: argparse.Namespace) -> None:
    from msaas.billing.bootstrap import serve, serve_cron
    from msaas.billing.settings import CronSettings, Settings

    if given.kind == "serve":
        await serve(load_settings(Settings, os.environ))
    else:
        await serve_cron(load_settings(CronSettings, os.environ))


async def _set_up(given: argparse.Namespace) -> int:
    from msaas.billing.set_up import set_up
    from msaas.billing.settings import SetUpSettings

    return await set_up(
        load_settings(SetUpSettings, os.environ),
        given.webhook_url,
        secret_file=given.secret_file,
        is_dry_run=given.dry_run,
    )


if __name__ == "__main__":
    main()
