"""`python -m msaas.gateway serve | retention`."""

import argparse
import os
from collections.abc import Sequence

from msaas.flags import read_defaults
from msaas.gateway.bootstrap import serve_gateway
from msaas.gateway.enforce_retention import enforce_retention
from msaas.gateway.settings import RetentionSettings, Settings
from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.gateway", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("serve", help="the HTTP API")
    retention = kinds.add_parser("retention", help="old data: count what is due, or remove it")
    retention.add_argument("act", choices=("plan", "run"))
    given = parser.parse_args(arguments)
    try:
        if given.kind == "serve":
            run(serve_gateway(load_settings(Settings, os.environ), read_defaults(os.environ)))
        else:
            settings = load_settings(RetentionSettings, os.environ)
            run(enforce_retention(settings, is_dry_run=given.act == "plan"))
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


if __name__ == "__main__":
    main()
