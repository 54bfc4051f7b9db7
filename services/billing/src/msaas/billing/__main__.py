"""`python -m msaas.billing serve | cron | setup`."""

import argparse
import os
from collections.abc import Sequence

from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.billing", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="webhooks, commands, subscriptions")
    kinds.add_parser("cron", help="periodic tasks; any number of replicas")
    given = parser.parse_args(arguments)
    try:
        run(_do(given))
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


async def _do(given: argparse.Namespace) -> None:
    from msaas.billing.bootstrap import serve, serve_cron
    from msaas.billing.settings import CronSettings, Settings

    if given.kind == "serve":
        await serve(load_settings(Settings, os.environ))
    else:
        await serve_cron(load_settings(CronSettings, os.environ))


if __name__ == "__main__":
    main()
