"""`python -m msaas.gateway serve`."""

import argparse
import os
from collections.abc import Sequence

from msaas.flags import read_defaults
from msaas.gateway.bootstrap import serve_gateway
from msaas.gateway.settings import Settings
from msaas.settings import SettingsInvalid, load_settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.gateway", description=__doc__)
    parser.add_argument("kind", choices=("serve",))
    parser.parse_args(arguments)
    try:
        run(serve_gateway(load_settings(Settings, os.environ), read_defaults(os.environ)))
    except SettingsInvalid as invalid:
        parser.exit(2, f"{invalid}\n")


if __name__ == "__main__":
    main()
