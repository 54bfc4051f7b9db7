"""`python -m msaas.stripe serve`: the billing server of one machine."""

import argparse
import os
from collections.abc import Sequence

from msaas.kernel import MsaasError
from msaas.settings import load_settings
from msaas.stripe.bootstrap import serve
from msaas.stripe.settings import Settings
from msaas.web import run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m msaas.stripe", description=__doc__)
    parser.add_subparsers(required=True).add_parser("serve", help="serve the API and the pages")
    parser.parse_args(arguments)
    try:
        run(serve(load_settings(Settings, os.environ)))
    except MsaasError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
